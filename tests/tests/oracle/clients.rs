//! The kinds of clients, each with keys and databases of its own.

pub(crate) mod ballast;
pub(crate) mod fills;
pub(crate) mod liar;
pub(crate) mod owner;
pub(crate) mod residents;
pub(crate) mod shared;
pub(crate) mod versions;
