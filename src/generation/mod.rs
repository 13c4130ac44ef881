//! Generating text: what a reply may be.

pub mod constraint;
