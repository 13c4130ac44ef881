//! Text generation.

pub mod chat;
