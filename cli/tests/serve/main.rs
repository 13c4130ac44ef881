//! `pilot-light serve` over real TCP, with small models that the tests make themselves.

mod access;
mod chat;
mod client;
mod completions;
mod embeddings;
mod fairness;
mod model;
mod refusals;

#[path = "../../../tests/support/mod.rs"]
mod support;
