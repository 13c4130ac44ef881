//! Labels from a remote model for texts that have none. Each is stored as it comes, so that nothing is paid for twice.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;
use std::{env, thread};

use pilot_light::cascade::labelling::{Labelling, LabellingOutcome, LabellingStep};
use pilot_light::cascade::{Cascade, CascadeConfig, Consultation, LocalModels, OffsetUnit, Step};
use pilot_light::device::DeviceReport;
use pilot_light::policy::{Policy, Privacy, Reason};
use pilot_light::tasks::{RunOptions, Task, TextModel};
use pilot_light::transport::{Http, clock, consult};
use pilot_light::{Device, LoadOptions, folder};
use serde_json::{Value, json};

use crate::Result;
use crate::remote::{find_pii, settings};
use crate::rows::{self, Row};

/// Which remote model to ask for labels, and how.
#[derive(clap::Args)]
pub struct Asking {
    /// Ask a remote model for the labels that are missing, at PILOT_LIGHT_REMOTE_URL (as in https://example.org/v1), with
    /// PILOT_LIGHT_REMOTE_KEY as its key, for PILOT_LIGHT_REMOTE_MODEL. Its answers are appended to this file; the same
    /// command again goes on from there
    #[arg(long, value_name = "FILE")]
    labels_from_remote: Option<PathBuf>,
    /// A JSON file of further settings of a cascade's remote, such as {"caps": {"usd_per_day": 1}, "price": …}
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

/// Texts between two reports of progress.
const STEP: usize = 20;

impl Asking {
    /// Where the labels go.
    pub fn labels(&self) -> Option<&PathBuf> {
        self.labels_from_remote.as_ref()
    }

    /// `rows` with the labels that a remote model gave to those that had none, and how many it did not answer, which are
    /// left out.
    pub fn ask(&self, models: &Rc<LocalModels>, options: &RunOptions, rows: Vec<Row>) -> Result<(Vec<Row>, usize)> {
        let Some(path) = &self.labels_from_remote else { return Ok((rows, 0)) };
        let (mut store, asker) = (LabelStore::open(path)?, self.asker(models, path)?);
        let mut missing = Vec::new();
        for (index, row) in rows.iter().enumerate() {
            if row.truth()?.is_none() && !store.rows.contains_key(&row.text) {
                missing.push(index);
            }
        }
        let labelled = |store: &LabelStore| -> Result<Vec<Row>> {
            let known = |row: &Row| match row.truth()? {
                Some(_) => Ok(Some(row.clone())),
                None => Ok(store.rows.get(&row.text).cloned()),
            };
            rows.iter().filter_map(|row| known(row).transpose()).collect()
        };
        let all = rows.len();
        // It asks one text at a time, because the transport blocks.
        let (mut labelling, mut outcomes) = (Labelling::new(missing.len(), 1), Vec::new());
        loop {
            let (asked, delay_ms) = match labelling.advance(&outcomes) {
                LabellingStep::Done => break,
                LabellingStep::Ask { texts, delay_ms } => (texts, delay_ms),
                LabellingStep::Stop { reason, detail, .. } => {
                    let (count, path) = (labelled(&store)?.len(), path.display());
                    let why = why(reason, detail.as_deref());
                    return Err(format!(
                        "stopped with {count} of {all} texts labelled, because {why}. {path} has what was answered, and \
                         the same command goes on from there"
                    )
                    .into());
                }
            };
            thread::sleep(Duration::from_secs_f64(delay_ms / 1000.0));
            outcomes.clear();
            for index in asked {
                let row = &rows[missing[index]];
                let outcome = match store.rows.contains_key(&row.text) {
                    // The same text twice is asked about once.
                    true => None,
                    false => Some(asker.ask(&row.text, options)?),
                };
                match &outcome {
                    Some(Consultation { output: Some(output), .. }) => {
                        store.add(&row.labelled(output.clone(), asker.name.clone()))?;
                    }
                    Some(Consultation { reason, detail, .. }) => {
                        let why = why(*reason, detail.as_deref());
                        eprintln!("text {} has no answer: {why}", missing[index] + 1);
                    }
                    None => {}
                }
                outcomes.push(outcome.as_ref().map_or_else(answered, LabellingOutcome::from));
                if (index + 1) % STEP == 0 {
                    eprintln!("{} of {} texts asked about", index + 1, missing.len());
                }
            }
        }
        let labelled = labelled(&store)?;
        let unanswered = all - labelled.len();
        Ok((labelled, unanswered))
    }

    fn asker(&self, models: &Rc<LocalModels>, labels: &Path) -> Result<Asker> {
        let variable =
            |name: &str| env::var(format!("PILOT_LIGHT_REMOTE_{name}")).ok().filter(|value| !value.is_empty());
        let url = variable("URL").ok_or("PILOT_LIGHT_REMOTE_URL must name the remote model's server")?;
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
        let report = DeviceReport::processor();
        let cascade = Cascade::new(Rc::clone(models), config, report, OffsetUnit::Bytes, clock())?;
        let spending = labels.with_added_extension("spending");
        if let Ok(json) = fs::read_to_string(&spending) {
            cascade.absorb(0, &json);
        }
        Ok(Asker { cascade, transport: Http::new(&url, variable("KEY"))?, name, redactor, spending })
    }
}

/// The reason with a message: its own, or a more detailed one.
fn why(reason: Reason, detail: Option<&str>) -> String {
    let name = json!(reason);
    format!("{} ({})", detail.map_or_else(|| reason.to_string(), String::from), name.as_str().unwrap_or_default())
}

/// The outcome of a text that has an answer already.
fn answered() -> LabellingOutcome {
    LabellingOutcome { answered: true, reason: Reason::Unsure, detail: None }
}

/// A cascade with one remote model, and the transport to it.
struct Asker {
    cascade: Cascade,
    transport: Http,
    name: String,
    redactor: Option<TextModel>,
    /// Where the spend log is stored: a cap of a day holds however often the command is started.
    spending: PathBuf,
}

impl Asker {
    fn ask(&self, text: &str, options: &RunOptions) -> Result<Consultation> {
        let [decided] = <[_; 1]>::try_from(self.cascade.consult(&[text.to_string()], options)?)
            .map_err(|_| "one text has one first step")?;
        let found = match (&self.redactor, &decided.step) {
            (Some(redactor), Step::Delegate { redact: true, .. }) => Some(find_pii(redactor, text)?),
            _ => None,
        };
        let result = consult(&self.cascade, decided.step, found.as_ref(), &[&self.transport])?;
        fs::write(&self.spending, self.cascade.spending().concat())?;
        Ok(result)
    }
}

/// The file of the labels, which is appended to.
struct LabelStore {
    rows: HashMap<String, Row>,
    file: File,
}

impl LabelStore {
    fn open(path: &Path) -> Result<Self> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(format!("{} cannot be read: {error}", path.display()).into()),
        };
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
        // An earlier run that was interrupted may have left half a line.
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
