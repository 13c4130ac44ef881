//! A graph that keeps state, on a device: it counts, and it appends to a cache as a decoder does to its keys and values.

use pilot_light::Device;
use pilot_light::graph::{Builder, DType, Graph, GraphOptions, State, TensorData};

/// Enough elements for a GPU to be worth it.
const SIZE: usize = 2048;

/// `count + step`, and `step` appended to the rows of `seen`; and outputs that leave the device: twice the count, and
/// the row of `seen` at the index `position`.
fn counter(device: &Device) -> Graph {
    let mut graph = Builder::default();
    let (step, position) = (graph.input("step", DType::F32), graph.input("position", DType::I64));
    let (count, seen) = (graph.input("count", DType::F32), graph.input("seen", DType::F32));
    let total = graph.add(count, step);
    let row = graph.reshape(step, &[1, SIZE as i64]);
    let grown = graph.concat(&[seen, row], 0);
    let double = graph.add(total, total);
    let picked = graph.gather(grown, position, 0);
    let outputs = [("total", total), ("grown", grown), ("double", double), ("picked", picked)];
    graph.finish(&outputs, device, &GraphOptions::default()).expect("a graph")
}

fn floats(data: TensorData) -> Vec<f32> {
    data.try_into_vec().expect("32-bit floats")
}

/// Counts in a session, and finds that nothing but what was asked for came back from the device.
pub async fn a_session_counts(device: &Device) {
    let graph = counter(device);
    let count = State { input: "count", output: "total", initial: TensorData::new(vec![0.0f32; SIZE], [SIZE]) };
    let seen = State { input: "seen", output: "grown", initial: TensorData::new(Vec::<f32>::new(), [0, SIZE]) };
    let mut session = graph.session(vec![count, seen]).expect("a session");
    for turn in 1..=4u8 {
        let step: Vec<f32> = (0..SIZE).map(|at| f32::from(turn) + (at % 3) as f32).collect();
        let inputs = vec![
            ("step".to_string(), TensorData::new(step, [SIZE])),
            ("position".to_string(), TensorData::new(vec![i64::from(turn) - 1, 0], [2])),
        ];
        let (outputs, _) = graph.run_session(&mut session, inputs).await.expect("a run");
        let names: Vec<_> = outputs.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["double", "picked"]);
        // The sum of 1 to `turn`, and `turn` times what each element adds.
        let turn = f32::from(turn);
        let expected = turn * (turn + 1.0) / 2.0;
        let [double, picked] = <[_; 2]>::try_from(outputs).map(|outputs| outputs.map(|(_, data)| data)).expect("two");
        assert_eq!(floats(double)[..3], [1.0, 2.0, 3.0].map(|x| 2.0 * (expected + turn * (x - 1.0))));
        assert_eq!(picked.shape()[..], [2, SIZE]);
        let picked = floats(picked);
        assert_eq!((picked[0], picked[1], picked[SIZE]), (turn, turn + 1.0, 1.0));
        for state in ["count", "seen"] {
            assert_eq!(session.device(state).expect("a state"), device.kind(), "{state}");
        }
    }
    let seen = session.read("seen").await.expect("a state");
    assert_eq!(seen.shape()[..], [4, SIZE]);
    let rows: Vec<f32> = floats(seen).chunks_exact(SIZE).map(|row| row[0]).collect();
    assert_eq!(rows, [1.0, 2.0, 3.0, 4.0]);
    // Another session of the same graph begins anew.
    let count = State { input: "count", output: "total", initial: TensorData::new(vec![7.0f32; SIZE], [SIZE]) };
    let other = graph.session(vec![count]).expect("a session");
    assert_eq!(floats(other.read("count").await.expect("a state"))[0], 7.0);
}

/// What a session refuses, with a message that names it.
pub async fn a_session_refuses_what_does_not_fit(device: &Device) {
    let graph = counter(device);
    let zeros = |shape: &[usize]| TensorData::new(vec![0.0f32; shape.iter().product()], shape.to_vec());
    let refused = |input, output, initial| {
        let error = graph.session(vec![State { input, output, initial }]).err().expect("a refusal");
        error.to_string()
    };
    assert!(refused("counts", "total", zeros(&[SIZE])).contains("no input 'counts'"));
    assert!(refused("count", "totals", zeros(&[SIZE])).contains("no output 'totals'"));
    assert!(refused("position", "total", TensorData::new(vec![0i64], [1])).contains("'position' expects I64"));
    assert!(refused("count", "total", TensorData::new(vec![0i64], [1])).contains("type I64, expected F32"));
    let twice = |input, output| State { input, output, initial: zeros(&[SIZE]) };
    let error = graph.session(vec![twice("count", "total"), twice("seen", "total")]).err().expect("a refusal");
    assert!(error.to_string().contains("bound twice"), "{error}");

    let mut session = graph.session(vec![twice("count", "total")]).expect("a session");
    let inputs = |wrong: usize| {
        vec![
            ("step".to_string(), zeros(&[wrong])),
            ("position".to_string(), TensorData::new(vec![0i64], [1])),
            ("seen".to_string(), zeros(&[1, SIZE])),
        ]
    };
    let mut given = inputs(SIZE);
    given.push(("count".to_string(), zeros(&[SIZE])));
    let error = graph.run_session(&mut session, given).await.expect_err("a refusal");
    assert!(error.to_string().contains("'count' is a state"), "{error}");
    // That was found before the run; a run that fails has taken the state.
    assert!(session.read("count").await.is_ok());
    assert!(graph.run_session(&mut session, inputs(SIZE - 1)).await.is_err());
    let error = graph.run_session(&mut session, inputs(SIZE)).await.expect_err("a refusal");
    assert!(error.to_string().contains("lost in a run that failed"), "{error}");
}
