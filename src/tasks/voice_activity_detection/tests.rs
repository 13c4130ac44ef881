//! Against `tests/golden/tasks/speech.json`, which silero-vad wrote.

use std::collections::HashMap;
use std::f64::consts::PI;
use std::path::Path;

use proptest::prelude::*;
use serde::Deserialize;

use super::segments::speech_spans;
use super::stream::Tracker;
use super::{CONTEXT, FRAME, SpeechEvent, SpeechOptions, SpeechStream, check_samples, resample, with_context};
use crate::error::ErrorKind;

#[derive(Deserialize)]
struct Golden {
    sounds: HashMap<String, Vec<f32>>,
    lengths: HashMap<String, usize>,
    cases: Vec<Case>,
    streams: Vec<Stream>,
}

#[derive(Deserialize)]
struct Case {
    options: SpeechOptions,
    spans: HashMap<String, Vec<(usize, usize)>>,
}

#[derive(Deserialize)]
struct Stream {
    options: SpeechOptions,
    events: HashMap<String, Vec<(String, usize)>>,
}

fn golden() -> Golden {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tasks/speech.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn speech_is_where_silero_finds_it() {
    let golden = golden();
    let mut found = 0;
    assert!(golden.cases.len() > 90);
    for case in &golden.cases {
        assert_eq!(case.spans.len(), golden.sounds.len());
        for (name, expected) in &case.spans {
            let spans = speech_spans(&golden.sounds[name], golden.lengths[name], &case.options);
            let ours: Vec<_> = spans.iter().map(|span| (span.start, span.end)).collect();
            assert_eq!(&ours, expected, "{name} with {:?}", case.options);
            assert!(spans.iter().all(|span| (0.0..=1.0).contains(&span.confidence)));
            found += spans.len();
        }
    }
    assert!(found > 1000, "{found}");
}

#[test]
fn events_come_when_silero_gives_them() {
    let golden = golden();
    for stream in &golden.streams {
        for (name, expected) in &stream.events {
            let mut tracker = Tracker::new(&stream.options);
            let events = golden.sounds[name].iter().filter_map(|&probability| tracker.step(f64::from(probability)));
            let events: Vec<_> = events
                .map(|event| match event {
                    SpeechEvent::Start { time } => ("start".to_string(), (time * 16000.0).round() as usize),
                    SpeechEvent::End { time, .. } => ("end".to_string(), (time * 16000.0).round() as usize),
                })
                .collect();
            assert_eq!(&events, expected, "{name} with {:?}", stream.options);
            assert!(!events.is_empty());
        }
    }
}

#[test]
fn confidence_is_the_mean_of_the_frames_of_speech() {
    let mut probabilities = vec![0.0; 40];
    probabilities[10..30].fill(0.75);
    let spans = speech_spans(&probabilities, 40 * FRAME, &SpeechOptions::default());
    assert_eq!(spans.len(), 1);
    assert_eq!((spans[0].start, spans[0].end, spans[0].confidence), (10 * FRAME - 480, 30 * FRAME + 480, 0.75));
}

#[test]
fn frames_are_given_with_what_was_before_them() {
    let samples: Vec<f32> = (0..2 * FRAME).map(|index| index as f32).collect();
    let frames = with_context(&[-1.0; CONTEXT], &samples);
    assert_eq!(frames.len(), 2 * (CONTEXT + FRAME));
    assert_eq!(frames[..CONTEXT], [-1.0; CONTEXT]);
    assert_eq!(frames[CONTEXT..CONTEXT + FRAME], samples[..FRAME]);
    assert_eq!(frames[CONTEXT + FRAME..], samples[FRAME - CONTEXT..]);
}

#[test]
fn what_makes_no_sense_is_refused() {
    assert!(check_samples(&[0.0, -1.0, 1.5]).is_ok());
    for wrong in [f32::NAN, f32::INFINITY] {
        let error = check_samples(&[0.0, wrong]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("sample 1 "), "{error}");
    }
    let refused = |json: &str| {
        let options: SpeechOptions = serde_json::from_str(json).unwrap();
        assert_eq!(SpeechStream::new(&options).err().unwrap().kind(), ErrorKind::InvalidInput, "{json}");
    };
    refused(r#"{"threshold":1.5}"#);
    refused(r#"{"neg_threshold":-0.1}"#);
    refused(r#"{"min_silence_duration_ms":-1}"#);
    refused(r#"{"max_speech_duration_s":-1}"#);
    assert!(SpeechOptions { speech_pad_ms: f64::NAN, ..SpeechOptions::default() }.check().is_err());
    assert!(SpeechOptions { speech_pad_ms: f64::INFINITY, ..SpeechOptions::default() }.check().is_err());
    assert!(serde_json::from_str::<SpeechOptions>(r#"{"treshold":0.5}"#).is_err());
    for rate in [0, 1, 3999, 44_101, 200_000, usize::MAX] {
        assert_eq!(resample(&[0.0; 10], rate).unwrap_err().kind(), ErrorKind::Unsupported, "{rate}");
    }
}

/// The largest difference, away from both ends, between a resampled sine and the sine itself, which has
/// `strength` there.
fn sine_error(frequency: f64, rate: usize, strength: f64) -> f64 {
    let sine = |time: f64| (2.0 * PI * frequency * time + 0.3).sin();
    let samples: Vec<f32> = (0..rate / 2).map(|index| sine(index as f64 / rate as f64) as f32).collect();
    let resampled = resample(&samples, rate).unwrap();
    assert_eq!(resampled.len(), (samples.len() * 16_000).div_ceil(rate));
    let errors = resampled
        .iter()
        .enumerate()
        .map(|(index, &sample)| (f64::from(sample) - strength * sine(index as f64 / 16_000.0)).abs());
    errors.skip(800).take(6400).fold(0.0, f64::max)
}

#[test]
fn a_sine_stays_a_sine_at_another_rate() {
    for rate in [8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000] {
        for share in [0.01, 0.1, 0.5, 0.8] {
            let frequency = share * rate.min(16_000) as f64 / 2.0;
            assert!(sine_error(frequency, rate, 1.0) < 1e-3, "{frequency} Hz at {rate}");
        }
    }
}

#[test]
fn what_16_khz_cannot_hold_is_filtered_out() {
    for rate in [22_050, 44_100, 48_000, 96_000] {
        for frequency in [8_100.0, 9_000.0, 10_900.0] {
            assert!(sine_error(frequency, rate, 0.0) < 1e-3, "{frequency} Hz at {rate}");
        }
    }
}

proptest! {
    #[test]
    fn spans_are_in_order_and_within_the_sound(
        probabilities in prop::collection::vec(prop_oneof![Just(0.0f32), Just(0.9), 0.0f32..1.0], 0..400),
        cut in 0usize..FRAME,
        durations in prop::array::uniform4(prop_oneof![Just(0.0), 0.0f64..800.0]),
        max_speech in prop::option::of(0.0f64..3.0),
        neg_threshold in prop::option::of(0.0f64..0.9),
        longest in any::<bool>(),
    ) {
        let length = (probabilities.len() * FRAME).saturating_sub(cut);
        let options = SpeechOptions {
            neg_threshold,
            min_speech_duration_ms: durations[0],
            min_silence_duration_ms: durations[1],
            speech_pad_ms: durations[2],
            min_silence_at_max_speech: durations[3],
            max_speech_duration_s: max_speech,
            use_max_poss_sil_at_max_speech: longest,
            ..SpeechOptions::default()
        };
        let mut before = 0;
        for span in speech_spans(&probabilities, length, &options) {
            prop_assert!(before <= span.start && span.start <= span.end && span.end <= length, "{span:?} of {length}");
            before = span.end;
        }
        let mut tracker = Tracker::new(&options);
        let events = probabilities.iter().filter_map(|&probability| tracker.step(f64::from(probability))).count();
        prop_assert!(events <= probabilities.len());
    }

    #[test]
    fn short_sounds_can_be_resampled(samples in prop::collection::vec(-1.0f32..1.0, 0..50), rate in 4_000usize..50_000) {
        if let Ok(resampled) = resample(&samples, rate) {
            prop_assert_eq!(resampled.len(), (samples.len() * 16_000).div_ceil(rate));
            prop_assert!(resampled.iter().all(|sample| sample.is_finite()));
        }
    }
}
