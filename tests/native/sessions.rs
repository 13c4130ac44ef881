//! Graphs that keep state between runs: the tests of `tests/browser/sessions.rs`, natively on the CPU.

use pilot_light::Device;

#[path = "../browser/sessions.rs"]
mod shared;

#[test]
fn a_session_counts_on_the_cpu() {
    pollster::block_on(shared::a_session_counts(&Device::cpu()));
}

#[test]
fn a_session_refuses_what_does_not_fit() {
    pollster::block_on(shared::a_session_refuses_what_does_not_fit(&Device::cpu()));
}
