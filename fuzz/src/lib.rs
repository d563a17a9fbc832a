//! What the fuzz targets do with their bytes. The agent's own tests include these files and run the corpora through them.

pub mod command;
pub mod decode;
pub mod peer;
pub mod reply;
