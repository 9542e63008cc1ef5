//! Work that takes a while, away from the threads that move bytes.

use crate::caller;
use crate::problem::{Kind, Problem};

/// Does it on a thread of its own, in the name of whoever asked.
///
/// # Errors
/// Its own, a defect when it panicked, or the server's end when it came to nothing because of that.
pub(crate) async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let caller = caller::current();
    match tokio::task::spawn_blocking(move || caller::within_thread(caller, work)).await {
        Ok(outcome) => outcome,
        Err(lost) if lost.is_cancelled() => {
            let message = "the program is ending and takes no more requests";
            Err(Problem::new(Kind::Ending, message).coded("shutting_down"))
        }
        Err(_) => Err(Problem::new(
            Kind::Defect,
            "the request could not be prepared because of a defect",
        )),
    }
}
