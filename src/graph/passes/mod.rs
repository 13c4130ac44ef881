//! Graph passes: rewrites of a program before it is planned, in the order in which they run.

pub mod constant_folding;
pub mod fusion;
pub mod prepack_weights;
pub mod upcast_f16;
