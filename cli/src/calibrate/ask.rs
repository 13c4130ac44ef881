//! Labels from a general model for texts that have none, each kept as it comes, so that nothing is paid for twice.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{env, thread};

use pilot_light::cascade::{CascadeConfig, Delegation, Envelope, Marked, MarkedSpan, OffsetUnit, Route, Step};
use pilot_light::device::DeviceReport;
use pilot_light::policy::{Policy, Privacy, Reason};
use pilot_light::remote::Question;
use pilot_light::tasks::{RunOptions, Task, TextModel};
use pilot_light::transport::{Http, answer, moment};
use pilot_light::{Device, LoadOptions, folder};
use serde_json::{Value, json};

use crate::Result;
use crate::remote::settings;
use crate::rows::{self, Row};

/// Which model to ask for labels, and how.
#[derive(clap::Args)]
pub struct Asking {
    /// Ask a general model for the labels that are missing, at PILOT_LIGHT_REMOTE_URL (as in https://example.org/v1),
    /// with PILOT_LIGHT_REMOTE_KEY as a bearer token, for PILOT_LIGHT_REMOTE_MODEL. What it answers is appended to this
    /// file; the same command again goes on from there
    #[arg(long, value_name = "FILE")]
    labels_from_remote: Option<PathBuf>,
    /// A JSON file of what else a cascade's remote may have, such as {"caps": {"usd_per_day": 1}, "price": …}
    #[arg(long, value_name = "FILE", requires = "labels_from_remote")]
    remote: Option<PathBuf>,
    /// What may leave: redact, allow or local-only
    #[arg(long, default_value = "redact", value_parser = privacy)]
    privacy: Privacy,
    /// The folder of a model that finds the personal data in what is to leave
    #[arg(long)]
    redactor: Option<PathBuf>,
}

fn privacy(word: &str) -> std::result::Result<Privacy, String> {
    serde_json::from_value(Value::from(word)).map_err(|error| error.to_string())
}

/// After so many texts in a row without an answer something is wrong that asking further does not mend.
const MOST_IN_VAIN: usize = 5;
/// A cap on a minute is waited for, a bit longer than that.
const MOST_WAITS: usize = 62;
const WAIT: Duration = Duration::from_secs(1);
/// Texts between two reports of progress.
const STEP: usize = 20;

impl Asking {
    /// Where the labels go.
    pub fn labels(&self) -> Option<&PathBuf> {
        self.labels_from_remote.as_ref()
    }

    /// `rows` with the labels that a general model gave to those that had none, and how many it did not answer, which
    /// are left out.
    pub fn ask(&self, model: &TextModel, options: &RunOptions, rows: Vec<Row>) -> Result<(Vec<Row>, usize)> {
        let Some(path) = &self.labels_from_remote else { return Ok((rows, 0)) };
        let mut kept = Kept::open(path)?;
        let mut asker = self.asker(path)?;
        let (all, mut labelled, mut unanswered, mut in_vain) = (rows.len(), Vec::new(), 0, 0);
        for (at, row) in rows.into_iter().enumerate() {
            if row.truth()?.is_some() {
                labelled.push(row);
            } else if let Some(known) = kept.rows.get(&row.text) {
                labelled.push(known.clone());
            } else {
                let labels = model.answer_labels(options)?;
                let envelope = asker.ask(Question { task: model.task(), labels, text: row.text.clone() })?;
                if envelope.route == Route::Remote {
                    let row = row.labelled(envelope.output, asker.name.clone());
                    kept.add(&row)?;
                    labelled.push(row);
                    in_vain = 0;
                } else {
                    unanswered += 1;
                    in_vain += 1;
                    let why = envelope.detail.unwrap_or_else(|| json!(envelope.reason).to_string());
                    eprintln!("text {} is left out: {why}", at + 1);
                    if envelope.reason == Reason::UsdPerDay
                        || is_of_a_minute(envelope.reason)
                        || in_vain == MOST_IN_VAIN
                    {
                        let (there, path) = (labelled.len(), path.display());
                        return Err(format!(
                            "stopped with {there} of {all} texts labelled, because {why}. {path} keeps what was answered, \
                             and the same command goes on from there"
                        )
                        .into());
                    }
                }
            }
            if (at + 1) % STEP == 0 {
                eprintln!("{} of {all} texts labelled", labelled.len());
            }
        }
        Ok((labelled, unanswered))
    }

    fn asker(&self, labels: &Path) -> Result<Asker> {
        let variable =
            |name: &str| env::var(format!("PILOT_LIGHT_REMOTE_{name}")).ok().filter(|value| !value.is_empty());
        let url = variable("URL").ok_or("PILOT_LIGHT_REMOTE_URL must name the general model's server")?;
        let name = variable("MODEL").unwrap_or_else(|| "default".to_string());
        let redactor = match (self.privacy, &self.redactor) {
            (Privacy::Redact, None) => {
                let message = "name a model that finds personal data with --redactor, or let the texts leave as they \
                               are with --privacy allow";
                return Err(message.into());
            }
            (Privacy::Redact, Some(path)) => {
                Some(folder::load(path, Task::TokenClassification, &Device::cpu(), LoadOptions::default())?)
            }
            _ => None,
        };
        let config = CascadeConfig {
            remotes: vec![settings(self.remote.as_deref(), &name)?],
            policy: Policy { privacy: self.privacy, ..Policy::default() },
            ..CascadeConfig::default()
        };
        let mut delegation = Delegation::new(config, DeviceReport::processor(), OffsetUnit::Bytes)?;
        let spending = labels.with_added_extension("spending");
        if let Ok(json) = fs::read_to_string(&spending) {
            delegation.absorb(0, &json);
        }
        Ok(Asker { delegation, transport: Http::new(&url, variable("KEY"))?, name, redactor, spending })
    }
}

/// A cap per minute. If a single question exceeds it, waiting does not help.
fn is_of_a_minute(reason: Reason) -> bool {
    matches!(reason, Reason::RequestsPerMinute | Reason::TokensPerMinute)
}

/// The way to one general model, and what it may cost.
struct Asker {
    delegation: Delegation,
    transport: Http,
    name: String,
    redactor: Option<TextModel>,
    /// Where what was spent is kept: the cap of a day holds however often one begins.
    spending: PathBuf,
}

impl Asker {
    fn ask(&mut self, question: Question) -> Result<Envelope> {
        let mut envelope = self.ask_once(&question)?;
        for _ in 0..MOST_WAITS {
            if !is_of_a_minute(envelope.reason) {
                break;
            }
            thread::sleep(WAIT);
            envelope = self.ask_once(&question)?;
        }
        Ok(envelope)
    }

    fn ask_once(&mut self, question: &Question) -> Result<Envelope> {
        let first = self.delegation.consult(question.clone(), moment())?;
        let marked = match (&self.redactor, &first) {
            (Some(redactor), Step::Delegate { redact: true, .. }) => Some(find(redactor, &question.text)?),
            _ => None,
        };
        let envelope = answer(&mut self.delegation, first, marked.as_ref(), &[&self.transport], None)?;
        fs::write(&self.spending, self.delegation.spending(moment().now_ms).concat())?;
        Ok(envelope)
    }
}

/// The personal data in `text`.
fn find(redactor: &TextModel, text: &str) -> Result<Marked> {
    let started = Instant::now();
    let found = pollster::block_on(redactor.find_pii(&[text.to_string()]))?;
    let spans = MarkedSpan::all(text, found.into_iter().flatten().collect(), OffsetUnit::Bytes);
    Ok(Marked { spans, elapsed_ms: started.elapsed().as_secs_f64() * 1000.0 })
}

/// The file of the labels that are there already.
struct Kept {
    rows: HashMap<String, Row>,
    file: File,
}

impl Kept {
    fn open(path: &Path) -> Result<Self> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(format!("{} cannot be read: {error}", path.display()).into()),
        };
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
        // An interrupted run may have left half a line.
        file.set_len(text.rfind('\n').map_or(0, |end| end + 1) as u64)?;
        let rows = rows::read(path)?.into_iter().map(|row| (row.text.clone(), row)).collect();
        Ok(Self { rows, file })
    }

    fn add(&mut self, row: &Row) -> Result<()> {
        self.file.write_all(format!("{}\n", json!(row)).as_bytes())?;
        self.rows.insert(row.text.clone(), row.clone());
        Ok(())
    }
}
