//! OpenAI's later dialect: `/v1/responses`, whose conversations the server may keep.

mod convert;
mod encode;
mod handlers;
mod request;
mod store;

pub(crate) use handlers::{cancel, create, delete, retrieve};
pub(crate) use request::Create;
pub(crate) use store::Store;
