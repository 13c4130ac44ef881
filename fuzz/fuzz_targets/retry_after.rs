//! The header Retry-After: a wait that is a number and not negative, or none.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pilot_light::remote::retry_after_ms;

/// 2026-11-29, in milliseconds.
const NOW_MS: f64 = 1_795_910_400_000.0;

fuzz_target!(|header: &str| {
    if let Some(wait) = retry_after_ms(header, NOW_MS) {
        assert!(wait >= 0.0, "{wait}");
    }
});
