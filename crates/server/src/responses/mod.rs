//! OpenAI's later dialect: `/v1/responses`, whose conversations the server may keep.

mod background;
mod computer;
mod convert;
mod encode;
mod handlers;
mod items;
mod request;
mod store;

pub(crate) use background::Background;
pub(crate) use handlers::{cancel, create, delete, input_items, retrieve};
pub(crate) use request::Create;
pub use store::{Responses, Retention, StoreError};
