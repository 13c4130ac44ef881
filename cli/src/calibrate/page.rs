//! The report of a calibration as a page that needs nothing else.

use std::fmt::Write;

use pilot_light::calibration::Report;
use pilot_light::calibration::metrics::Bin;
use pilot_light::calibration::risk_control::Choice;

use super::{in_words, outcome};

/// Units of a plot's side.
const SIDE: f64 = 300.0;
const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;color:#222}\
    svg{width:21rem;max-width:100%;overflow:visible;margin:1rem 2rem 2rem}\
    svg text{font-size:12px;fill:#444}th{text-align:left;font-weight:400;padding-right:2rem}\
    .axis{stroke:#888;fill:none}.curve{stroke:#b3470f;stroke-width:2;fill:none}\
    .ideal{stroke:#888;stroke-dasharray:4}.bar{fill:#f0b48c}.mark{stroke:#0a5a8a;stroke-width:2}";

/// The page.
pub fn of(report: &Report) -> String {
    let curve = report.curve.iter().map(|point| (point.coverage, point.selective_risk));
    let highest = curve.clone().map(|(_, risk)| risk).fold(0.01, f64::max);
    let chosen = match report.choice {
        Choice::Holds { coverage, .. } => Some(coverage),
        Choice::NoneHolds { .. } => None,
    };
    format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Calibration</title><style>{STYLE}</style>\n\
         <h1>Calibration</h1>\n<p>Promised: {}.<br>Found: {}.<br>Labels: {}.</p>\n{}\n\
         <h2>Risk against coverage</h2>\n<p>How many of the local answers are wrong, by the part of the answers that \
         stays local. {}</p>\n{}\n\
         <h2>Reliability</h2>\n<p>How often the model is right, by how sure it is; on the dashed line it is right as \
         often as it says.</p>\n<h3>As it comes from the model</h3>\n{}\n<h3>At the temperature</h3>\n{}\n</html>\n",
        in_words(report.promise),
        outcome(&report.choice),
        escaped(&report.labels.to_string()),
        table(report),
        if chosen.is_some() { "The blue line is the threshold." } else { "" },
        plot("coverage", "wrong among the local", highest, &path(curve, highest, chosen)),
        plot("confidence", "right", 1.0, &bars(&report.before.reliability)),
        plot("confidence", "right", 1.0, &bars(&report.after.reliability)),
    )
}

/// Words that somebody else chose, such as the name of a model.
fn escaped(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;")
}

fn table(report: &Report) -> String {
    let rows = [
        ("temperature", format!("{:.3}, fitted on {} examples", report.temperature, report.pilot)),
        ("accuracy", format!("{:.4}", report.accuracy)),
        ("expected calibration error", format!("{:.4}, before {:.4}", report.after.ece, report.before.ece)),
        ("Brier score", format!("{:.4}, before {:.4}", report.after.brier, report.before.brier)),
        ("AURC", format!("{:.4}", report.aurc)),
        ("AUGRC", format!("{:.4}", report.augrc)),
    ];
    let rows = rows.map(|(name, value)| format!("<tr><th scope=\"row\">{name}</th><td>{value}</td></tr>"));
    format!("<table>{}</table>", rows.concat())
}

/// A square with `inside` in it, and two axes: across from 0 to 1, upwards from 0 to `highest`.
fn plot(across: &str, upwards: &str, highest: f64, inside: &str) -> String {
    format!(
        "<svg viewBox=\"-10 -20 {0} {1}\" role=\"img\" aria-label=\"{upwards} by {across}\">{inside}\
         <path class=\"axis\" d=\"M0,0V{SIDE}H{SIDE}\"/><text x=\"0\" y=\"-8\">{upwards}, up to {2:.1} %</text>\
         <text x=\"0\" y=\"{3}\">0</text><text x=\"{SIDE}\" y=\"{3}\" text-anchor=\"end\">{across}: 1</text></svg>",
        SIDE + 20.0,
        SIDE + 45.0,
        100.0 * highest,
        SIDE + 18.0
    )
}

fn path(points: impl Iterator<Item = (f64, f64)>, highest: f64, mark: Option<f64>) -> String {
    let mut drawn = String::new();
    for (at, (x, y)) in points.enumerate() {
        let letter = if at == 0 { 'M' } else { 'L' };
        // Writing to a string does not fail.
        let _ = write!(drawn, "{letter}{:.1},{:.1}", x * SIDE, (1.0 - y / highest) * SIDE);
    }
    let mark = mark.map_or(String::new(), |x| format!("<path class=\"mark\" d=\"M{:.1},0V{SIDE}\"/>", x * SIDE));
    format!("<path class=\"curve\" d=\"{drawn}\"/>{mark}")
}

fn bars(bins: &[Bin]) -> String {
    let bar = |bin: &Bin| {
        format!(
            "<rect class=\"bar\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\"><title>{} examples, \
             {:.1} % sure, {:.1} % right</title></rect>",
            bin.from * SIDE,
            (1.0 - bin.accuracy) * SIDE,
            (bin.to - bin.from) * SIDE - 1.0,
            bin.accuracy * SIDE,
            bin.count,
            100.0 * bin.mean_confidence,
            100.0 * bin.accuracy
        )
    };
    let bars: String = bins.iter().map(bar).collect();
    format!("{bars}<path class=\"ideal\" d=\"M0,{SIDE}L{SIDE},0\"/>")
}
