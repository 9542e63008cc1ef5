//! Pictures from elsewhere: off unless the server was started with hosts to fetch from.
//!
//! A client names an address, and this machine asks for it, so a client could reach with it what only this machine
//! reaches. Therefore: only hosts that were allowed, checked again at every redirect; only addresses of the public
//! internet, checked after the name was looked up, and the connection goes to the address that was checked; limits on
//! size, time and number. What comes is put into the request as if the client had sent it, and is read by the same
//! untrusting decoder.

mod address;
mod hosts;
mod http;
mod request;

pub use hosts::{BadHost, PictureHosts};
pub(crate) use http::Fetcher;
pub(crate) use request::read;
