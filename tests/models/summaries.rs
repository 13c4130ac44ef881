//! Summaries of a text by a real embedder and by a real decoder.

use pilot_light::generation::chat::Minijinja;
use pilot_light::tasks::{AbstractiveSummary, Summarization, SummarizationOptions, SummaryMethod, SummarySpan, Task};
use pilot_light::{Device, LoadOptions, folder};

use crate::support::{fetched, minilm};

const TEXT: &str = "The bridge\n\nThe old bridge over the river was closed in 2019 after an inspection found cracks in its \
    piers. Cyclists had to take a long detour over the motorway. The old bridge over the river was closed in 2019, after an \
    inspection had found cracks in its piers. Engineers of the town of Elmford examined four designs for a new bridge and \
    chose one of steel. It rained. The new bridge will be opened in May, as Mayor Jane Porter said on Monday. Her cat is \
    called Whiskers.";

#[test]
fn sentences_are_central_and_none_is_repeated() {
    let model = folder::load(&minilm(), Task::Summarization, &Device::cpu(), LoadOptions::default()).expect("a model");
    let run = |texts: &[String]| {
        let options = SummarizationOptions::default();
        pollster::block_on(model.run::<Summarization>(texts, &options)).expect("summaries")
    };
    let summary = run(&[TEXT.to_string()]).remove(0);
    let sentences: Vec<&str> = summary.sentences.iter().map(|it| &TEXT[it.start..it.end]).collect();
    println!("{sentences:#?}");
    assert_eq!(sentences.len(), 3);
    assert_eq!(sentences.iter().filter(|it| it.starts_with("The old bridge")).count(), 1, "{sentences:?}");
    assert!(sentences.iter().any(|it| it.starts_with("The new bridge")), "{sentences:?}");
    assert!(sentences.iter().all(|it| !it.contains("cat") && !it.contains("rained") && *it != "The bridge"));
    assert_eq!(summary.coverage, [SummarySpan { start: 0, end: TEXT.len() }]);
    assert!(summary.unsupported.is_empty(), "{:?}", summary.unsupported);
}

#[test]
fn a_decoder_says_nothing_that_the_text_does_not_name() {
    let model = fetched("models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf");
    let generator = folder::load_generator(&model, &Device::cpu(), LoadOptions::default()).expect("a model");
    let (engine, options) = (Minijinja { local_time_s: 0 }, SummarizationOptions::default());
    let mut summary = AbstractiveSummary::new(&generator, &engine, TEXT, options).expect("a summary");
    let mut pieces = String::new();
    while !summary.is_complete() {
        pieces += &pollster::block_on(summary.step(&generator, &engine)).expect("a step");
    }
    let summary = summary.finish().expect("a summary");
    assert_eq!(pieces, summary.summary_text);
    println!("{summary:#?}");
    assert_eq!((summary.method, summary.sentences.len()), (SummaryMethod::Abstractive, 0));
    assert_eq!(summary.coverage, [SummarySpan { start: 0, end: TEXT.len() }]);
    assert!(!summary.summary_text.is_empty());
    for it in summary.unsupported.iter().filter(|it| it.dropped) {
        assert!(!summary.summary_text.contains(&it.sentence), "{it:?}");
    }
}
