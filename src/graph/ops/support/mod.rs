//! Helpers that several operators share: broadcasting, interpolation, pooling windows.

pub mod broadcast;
pub mod interpolation;
pub mod pooling_window;
pub mod sort_keys;
pub mod window_grid;
