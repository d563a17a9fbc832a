//! What the fuzz targets do with their bytes. The tests of the agent and of the engine include these files and run the corpora through them.

pub mod command;
pub mod decode;
pub mod journal;
pub mod peer;
pub mod reply;
