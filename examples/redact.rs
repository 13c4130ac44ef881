//! Takes personal data out of a text, shows what would be sent, and puts the data back into a reply.
//!
//! ```sh
//! cargo run --example redact -- [FOLDER [TEXT]]
//! ```
//!
//! FOLDER is a model for token classification in the Hugging Face form, such as Rampart. Without it, only values with a form are
//! found (addresses of email, cards, keys and so on), and no names.

use std::path::Path;

use pilot_light::redaction::{PiiSpan, Redaction, redact};
use pilot_light::tasks::Task;
use pilot_light::{Device, LoadOptions, Result, folder};

const TEXT: &str = "Jane Doe (jane@example.org) paid with 4111 1111 1111 1111. Please write to jane@example.org.";

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let model = arguments.next();
    let text = arguments.next().unwrap_or_else(|| TEXT.to_string());
    let redaction = take_out(model.as_deref().map(Path::new), &text)?;
    println!("text:     {text}");
    println!("sent:     {}", redaction.texts()[0]);
    for replaced in redaction.replaced() {
        println!("replaced: {} {}, in {} places", replaced.values, replaced.kind, replaced.places);
    }
    let reply = "I have written to [EMAIL_1].";
    println!("reply:    {reply}");
    println!("shown:    {}", redaction.restore(reply));
    Ok(())
}

/// `text` without what `model`, if there is one, and the recognisers find in it.
pub fn take_out(model: Option<&Path>, text: &str) -> Result<Redaction> {
    let spans: Vec<PiiSpan> = match model {
        None => Vec::new(),
        Some(model) => {
            let finder = folder::load(model, Task::TokenClassification, &Device::cpu(), LoadOptions::default())?;
            let found = pollster::block_on(finder.find_pii(&[text.to_string()]))?;
            found.into_iter().flatten().collect()
        }
    };
    Ok(redact(&[(text, spans)]))
}
