//! `pilot-light redact`: what of a text would leave the device.

use std::io::{BufWriter, Write, stdin, stdout};
use std::path::PathBuf;

use pilot_light::redaction::{Replaced, redact};
use pilot_light::tasks::Task;
use pilot_light::{Device, LoadOptions, folder};
use serde::{Deserialize, Serialize};

use crate::Result;

/// Take personal data out of texts, as it is done before a text is delegated. JSON Lines of {"text"} on stdin become
/// JSON Lines of {"redacted", "places", "replaced"} on stdout, each text a request by itself. The places are the bytes
/// of the text that placeholders stand for.
#[derive(clap::Args)]
pub struct Arguments {
    /// The folder of a model that finds personal data
    #[arg(long)]
    model: PathBuf,
}

#[derive(Deserialize)]
struct Row {
    text: String,
}

#[derive(Serialize)]
struct Redacted<'a> {
    redacted: &'a str,
    places: Vec<(usize, usize)>,
    replaced: &'a [Replaced],
}

/// Texts that go through the model together.
const BATCH: usize = 32;

pub fn run(arguments: &Arguments) -> Result<()> {
    let model = folder::load(&arguments.model, Task::TokenClassification, &Device::cpu(), LoadOptions::default())?;
    let texts = stdin().lines().map(|line| Ok(serde_json::from_str::<Row>(&line?)?.text));
    let texts = texts.collect::<Result<Vec<String>>>()?;
    let mut out = BufWriter::new(stdout().lock());
    for (at, batch) in texts.chunks(BATCH).enumerate() {
        let found = pollster::block_on(model.find_pii(batch)).map_err(|error| error.behind(at * BATCH))?;
        for (text, found) in batch.iter().zip(found) {
            let redaction = redact(&[(text, found)]);
            let places = redaction.places().iter().flatten().map(|range| (range.start, range.end)).collect();
            let redacted = Redacted { redacted: &redaction.texts()[0], places, replaced: redaction.replaced() };
            serde_json::to_writer(&mut out, &redacted)?;
            out.write_all(b"\n")?;
        }
    }
    Ok(out.flush()?)
}
