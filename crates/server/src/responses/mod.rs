//! OpenAI's later dialect: `/v1/responses`, whose conversations the server may keep.

mod background;
mod computer;
mod convert;
mod create;
mod growing;
mod items;
mod kept;
mod output;
mod request;
mod safety;
mod store;
mod telling;
mod told;

pub(crate) use background::Background;
pub(crate) use create::create;
pub(crate) use kept::{cancel, delete, input_items, retrieve};
pub(crate) use request::Create;
pub use store::{Responses, Retention, StoreError};
