//! `pilot-light learn`: a head that learns from the answers of a remote model to a stream of texts, as it does in a page.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::{env, fs};

use pilot_light::cascade::{
    AgreementBy, Cascade, CascadeConfig, LearnConfig, LearnLabel, OffsetUnit, PiiFindings, Provenance, Route, Sharing,
    Step,
};
use pilot_light::device::DeviceReport;
use pilot_light::learning::LearnOptions;
use pilot_light::policy::{Policy, Privacy};
use pilot_light::remote::{RemoteEvent, RemoteFault, RemoteRequest};
use pilot_light::tasks::{RunOptions, Task, TextModel};
use pilot_light::transport::{Http, Transport, answer, clock, consult};
use pilot_light::{Device, LoadOptions, Manifest, folder};
use serde_json::{Value, json};

use crate::Result;
use crate::remote::{find_pii, settings};
use crate::rows::{self, Row};

/// Learn a head from what a remote model says of a stream of texts. Texts of which the head is sure, as far as that was tested,
/// stay here; the others go to the remote model at PILOT_LIGHT_REMOTE_URL (as in https://example.org/v1), with
/// PILOT_LIGHT_REMOTE_KEY as its key, for PILOT_LIGHT_REMOTE_MODEL. Where the data have a label, that is taken for its answer.
#[derive(clap::Args)]
pub struct Arguments {
    /// The folder of the encoder; the head's folder must lie next to it
    #[arg(long)]
    base: PathBuf,
    /// The labels, each as NAME or as 'NAME: what its texts are like'
    #[arg(long, num_args = 2.., required = true)]
    labels: Vec<String>,
    /// Several labels, or none, may apply to a text: the data have "labels", a list, in place of "label"
    #[arg(long)]
    multi_label: bool,
    /// The texts, in their order: JSON Lines of {"text"}, and perhaps "label", the "source" that a text came from, and the
    /// "agreement" by which its label counts, above 0 and at most 1; or CSV with these columns
    #[arg(long)]
    data: PathBuf,
    /// Where what was learnt is stored; the same command again goes on from there
    #[arg(long)]
    state: PathBuf,
    /// The folder to write the head to
    #[arg(long)]
    out: Option<PathBuf>,
    #[command(flatten)]
    options: LearnOptions,
    /// How it is known how sure the remote model was of its label; without it all labels count alike
    #[arg(long)]
    agreement: Option<AgreementBy>,
    /// A JSON file of further settings of a cascade's remote
    #[arg(long, value_name = "FILE")]
    remote: Option<PathBuf>,
    /// The folder of a model that finds the personal data in what is to leave; without it the data must have labels, or
    /// --send-as-they-are says that texts may leave as they are
    #[arg(long)]
    redactor: Option<PathBuf>,
    /// Texts may leave with the personal data in them
    #[arg(long, conflicts_with = "redactor")]
    send_as_they_are: bool,
}

/// Texts between two moments at which the state is stored.
const STEP: usize = 100;
/// Longer texts are never sent, and so not learnt from.
const MAX_BYTES: usize = 64 << 10;

pub fn run(arguments: &Arguments) -> Result<()> {
    let mut rows = rows::read(&arguments.data)?;
    rows.retain(|row| row.text.len() <= MAX_BYTES);
    let learner = Learner::new(arguments, rows.iter().any(|row| known(row, arguments.multi_label).is_none()))?;
    let done = usize::try_from(learner.cascade.learning_report()?.counters.texts)?;
    if done > 0 {
        println!("{}: goes on after {done} texts", arguments.state.display());
    }
    let mut sent = 0;
    for (at, row) in rows.iter().enumerate().skip(done) {
        sent += usize::from(learner.take(row)?);
        if (at + 1) % STEP == 0 || at + 1 == rows.len() {
            learner.save(&arguments.state)?;
            let report = learner.cascade.learning_report()?;
            let texts = at % STEP + 1;
            let promise = if report.promised { "promised" } else { "nothing promised yet" };
            println!("{} of {} texts: {sent} of the last {texts} were sent, {promise}", at + 1, rows.len());
            sent = 0;
        }
    }
    arguments.out.as_ref().map_or(Ok(()), |out| learner.export(&arguments.base, out))
}

struct Learner {
    cascade: Cascade,
    multi_label: bool,
    transport: Answers,
    redactor: Option<TextModel>,
}

impl Learner {
    fn new(arguments: &Arguments, asks: bool) -> Result<Self> {
        let Arguments { base, labels, multi_label, options, agreement, .. } = arguments;
        if asks && arguments.redactor.is_none() && !arguments.send_as_they_are {
            return Err("some texts have no label, and are to be sent: name a model that finds personal data with \
                        --redactor, or let them leave as they are with --send-as-they-are"
                .into());
        }
        let load = |path: &Path, task| folder::load(path, task, &Device::cpu(), LoadOptions::default());
        let redactor = arguments.redactor.as_ref().map(|path| load(path, Task::TokenClassification)).transpose()?;
        let variable = |name: &str| env::var(format!("PILOT_LIGHT_REMOTE_{name}")).ok();
        let name = variable("MODEL").unwrap_or_else(|| "default".to_string());
        let server = match asks {
            true => {
                let url = variable("URL").ok_or("PILOT_LIGHT_REMOTE_URL must name the remote model's server")?;
                Some(Http::new(&url, variable("KEY"))?)
            }
            false => None,
        };
        let labels = labels.iter().map(|label| match label.split_once(':') {
            Some((label, description)) => {
                LearnLabel { label: label.trim().to_string(), description: Some(description.trim().to_string()) }
            }
            None => LearnLabel { label: label.trim().to_string(), description: None },
        });
        let encoder = base.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let privacy = if redactor.is_some() { Privacy::Redact } else { Privacy::Allow };
        let config = CascadeConfig {
            remotes: vec![settings(arguments.remote.as_deref(), &name)?],
            policy: Policy { privacy, ..Policy::default() },
            learn: Some(LearnConfig {
                labels: labels.collect(),
                multi_label: *multi_label,
                encoder,
                agreement: *agreement,
                options: options.clone(),
            }),
            ..CascadeConfig::default()
        };
        let models = vec![load(base, Task::FeatureExtraction)?];
        let report = DeviceReport::processor();
        let cascade = Cascade::from_models(models, config, report, OffsetUnit::Bytes, clock())?;
        let state = match fs::read(&arguments.state) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(format!("{} cannot be read: {error}", arguments.state.display()).into()),
        };
        let differs = pollster::block_on(cascade.learn(state.as_deref(), Sharing::Alone))?;
        let transport = Answers { server, known: RefCell::default() };
        let learner = Self { cascade, multi_label: *multi_label, transport, redactor };
        if differs {
            // Texts that are no longer kept go at once.
            learner.save(&arguments.state)?;
        }
        Ok(learner)
    }

    /// Takes one text; returns whether it was sent.
    fn take(&self, row: &Row) -> Result<bool> {
        *self.transport.known.borrow_mut() = known(row, self.multi_label);
        let text = [row.text.clone()];
        let provenance = Provenance { source: row.source.clone(), agreement: row.agreement.unwrap_or(1.0) };
        let options = RunOptions::default();
        let deciding = self.cascade.decide_from(&text, &options, false, &provenance);
        let [decided] = <[_; 1]>::try_from(pollster::block_on(deciding)?).map_err(|_| "one text has one first step")?;
        let transports: [&dyn Transport; 1] = [&self.transport];
        if let Some(check) = decided.check {
            let step = Step::Delegate { call: check.call, redact: check.redact };
            consult(&self.cascade, step.clone(), self.findings(&step, &row.text)?.as_ref(), &transports)?;
        }
        let found = self.findings(&decided.step, &row.text)?;
        let envelope = answer(&self.cascade, decided.step, found.as_ref(), &transports, None)?;
        if let (true, Some(detail)) = (envelope.degraded, &envelope.detail) {
            eprintln!("a text has no answer: {detail}");
        }
        while self.cascade.train(u64::MAX)? {}
        Ok(envelope.route == Route::Remote || decided.check.is_some())
    }

    fn findings(&self, step: &Step, text: &str) -> Result<Option<PiiFindings>> {
        match (&self.redactor, step) {
            (Some(redactor), Step::Delegate { redact: true, .. }) => Ok(Some(find_pii(redactor, text)?)),
            _ => Ok(None),
        }
    }

    /// Stores the state as a whole: what is there when the program ends in the middle is the state before.
    fn save(&self, path: &Path) -> Result<()> {
        let partial = path.with_added_extension("partial");
        fs::write(&partial, self.cascade.learning_state()?)?;
        fs::rename(&partial, path).map_err(|error| format!("{} cannot be written: {error}", path.display()).into())
    }

    fn export(&self, base: &Path, out: &Path) -> Result<()> {
        let base = base.file_name().and_then(|name| name.to_str()).ok_or("--base is not the name of a folder")?;
        let (files, report) = (self.cascade.export_head(base)?, self.cascade.learning_report()?);
        fs::create_dir_all(out)?;
        fs::write(out.join("config.json"), files.config)?;
        fs::write(out.join("head.safetensors"), files.weights)?;
        let provenance = json!({
            "learnt_by": concat!("pilot-light learn ", env!("CARGO_PKG_VERSION")),
            "labels": "of a remote model",
            "counters": report.counters,
        });
        let files = [("head.safetensors".to_string(), folder::describe(&out.join("head.safetensors"))?)];
        let manifest = Manifest { files: files.into(), calibration: None, provenance };
        fs::write(out.join("pilot.json"), serde_json::to_string_pretty(&manifest)? + "\n")?;
        println!("{}: head {} with {} labels", out.display(), report.version, report.labels.len());
        Ok(())
    }
}

/// What the data say of a text, as a remote model would answer.
fn known(row: &Row, multi_label: bool) -> Option<Value> {
    match multi_label {
        true => row.labels.as_ref().map(|labels| json!({ "labels": labels })),
        false => row.label.as_ref().map(|label| json!({ "label": label })),
    }
}

/// What the data say of a text where they do, or else what a server says.
struct Answers {
    server: Option<Http>,
    known: RefCell<Option<Value>>,
}

impl Transport for Answers {
    fn attempt(&self, request: &RemoteRequest, feed: &mut dyn FnMut(&[u8], bool) -> bool) -> RemoteEvent {
        match (&*self.known.borrow(), &self.server) {
            (Some(known), _) => {
                let body = json!({ "choices": [{ "message": { "content": known.to_string() } }] }).to_string();
                RemoteEvent::Response { status: 200, retry_after: None, content_type: None, body, elapsed_ms: 0.0 }
            }
            (None, Some(server)) => server.attempt(request, feed),
            (None, None) => {
                let message = "there is no server".to_string();
                RemoteEvent::Fault { fault: RemoteFault::Unavailable, message, elapsed_ms: 0.0 }
            }
        }
    }
}
