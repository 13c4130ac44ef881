//! `config.json`: a configuration, or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pilot_light::models::ModelConfig;

fuzz_target!(|json: &str| {
    let _ = ModelConfig::from_json(json);
});
