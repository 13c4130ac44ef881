//! `pilot.json`: a manifest that is the same after it was written and read again, or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pilot_light::Manifest;

fuzz_target!(|json: &str| {
    if let Ok(manifest) = Manifest::from_json(json) {
        let written = serde_json::to_string(&manifest).expect("a manifest is JSON");
        let again = Manifest::from_json(&written).expect("a manifest that was written can be read");
        assert_eq!(serde_json::to_string(&again).expect("JSON"), written);
    }
});
