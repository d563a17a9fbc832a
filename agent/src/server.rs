//! The server: listeners, workers and connections, and what all of them share.

pub mod buffers;
pub mod clients;
pub mod connection;
pub mod lingering;
pub mod listen;
pub mod node;
pub mod pause;
pub mod session;
pub mod settings;
pub mod slowlog;
pub mod storage;
pub mod stream;
pub mod transaction;
pub mod unread;
pub mod worker;
