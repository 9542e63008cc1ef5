//! The protocol's bytes: JSON messages, each ended by a NUL, over a pair of pipes.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::sync::mpsc::{Receiver, Sender, channel};

/// No message is longer: the longest is a screenshot.
const LONGEST: u64 = 256 << 20;

/// Starts a thread that writes messages, so that a browser that no longer reads never blocks the caller.
/// It ends with its sender, and closes the pipe.
pub(super) fn writer(mut pipe: impl Write + Send + 'static) -> Sender<Vec<u8>> {
    let (sender, receiver): (_, Receiver<Vec<u8>>) = channel();
    std::thread::spawn(move || {
        while let Ok(mut message) = receiver.recv() {
            message.push(0);
            if pipe.write_all(&message).is_err() {
                return;
            }
        }
    });
    sender
}

/// Reads messages until the pipe ends or `take` says to stop.
pub(super) fn read(pipe: impl Read, mut take: impl FnMut(&[u8]) -> bool) -> io::Result<()> {
    let mut pipe = BufReader::with_capacity(1 << 16, pipe);
    let mut message = Vec::new();
    loop {
        message.clear();
        (&mut pipe).take(LONGEST).read_until(0, &mut message)?;
        match message.split_last() {
            Some((0, body)) => {
                if !take(body) {
                    return Ok(());
                }
            }
            None => return Ok(()),
            Some(_) => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "a message of the browser is cut off or too long",
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_end_at_nul() {
        let mut seen = Vec::new();
        read(&b"{}\0[1]\0"[..], |message| {
            seen.push(message.to_vec());
            true
        })
        .unwrap();
        assert_eq!(seen, [b"{}".to_vec(), b"[1]".to_vec()]);
    }

    #[test]
    fn a_cut_message_is_an_error() {
        let error = read(&b"{}\0[1"[..], |_| true).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn the_writer_ends_each_message() {
        let (mut reader, pipe) = std::io::pipe().unwrap();
        let sender = writer(pipe);
        sender.send(b"{}".to_vec()).unwrap();
        drop(sender);
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, b"{}\0");
    }
}
