//! The attributes of tree ensembles.

use std::collections::HashMap;

use super::tree::{Branch, Mode, Node, Trees};
use crate::graph::attributes::Refusal;
use crate::graph::host;
use crate::graph::ops::NodeSpec;

/// Numbers from the attribute `name` or, with more digits, from the tensor `name_as_tensor`.
pub fn numbers(node: &NodeSpec<'_>, name: &str) -> Result<Vec<f64>, Refusal> {
    let floats = node.attributes.floats(name)?;
    let tensor = node.attributes.tensor(&format!("{name}_as_tensor"))?;
    Ok(match (tensor, floats) {
        (Some(tensor), _) => host::to_f64s(&tensor),
        (None, Some(floats)) => floats.into_iter().map(f64::from).collect(),
        (None, None) => Vec::new(),
    })
}

fn ints(node: &NodeSpec<'_>, name: &str, count: Option<usize>) -> Result<Vec<i64>, Refusal> {
    let ints = node.attributes.ints(name)?.unwrap_or_default();
    match count {
        Some(count) if ints.len() != count => {
            Err(format!("the attribute {name} has {} elements, expected {count}", ints.len()))
        }
        _ => Ok(ints),
    }
}

fn index(value: i64) -> Result<usize, Refusal> {
    usize::try_from(value).map_err(|_| format!("{value} is not an index"))
}

/// The trees of TreeEnsembleClassifier (`prefix` is "class") and TreeEnsembleRegressor ("target").
pub fn by_ids(node: &NodeSpec<'_>, prefix: &str) -> Result<Trees, Refusal> {
    let trees = ints(node, "nodes_treeids", None)?;
    let all = |name: &str| ints(node, name, Some(trees.len()));
    let ids = all("nodes_nodeids")?;
    let (features, yes, no) = (all("nodes_featureids")?, all("nodes_truenodeids")?, all("nodes_falsenodeids")?);
    let modes = node.attributes.strings("nodes_modes")?;
    let values = numbers(node, "nodes_values")?;
    if modes.len() != trees.len() || values.len() != trees.len() {
        return Err(format!("there are {} modes and {} values for {} nodes", modes.len(), values.len(), trees.len()));
    }
    let missing = ints(node, "nodes_missing_value_tracks_true", None)?;
    // How often a node was visited in training.
    numbers(node, "nodes_hitrates")?;
    let place: HashMap<(i64, i64), usize> =
        trees.iter().copied().zip(ids.iter().copied()).enumerate().map(|(at, id)| (id, at)).collect();
    let find =
        |tree: i64, id: i64| place.get(&(tree, id)).copied().ok_or_else(|| format!("the tree {tree} has no node {id}"));

    let of_leaf = |name: &str, count| ints(node, &format!("{prefix}_{name}"), count);
    let leaf_trees = of_leaf("treeids", None)?;
    let (leaf_ids, targets) = (of_leaf("nodeids", Some(leaf_trees.len()))?, of_leaf("ids", Some(leaf_trees.len()))?);
    let leaf_weights = numbers(node, &format!("{prefix}_weights"))?;
    if leaf_weights.len() != leaf_trees.len() {
        return Err(format!("there are {} weights for {} leaves", leaf_weights.len(), leaf_trees.len()));
    }
    let mut of_node: Vec<Vec<(usize, f64)>> = vec![Vec::new(); trees.len()];
    for (at, weight) in leaf_weights.into_iter().enumerate() {
        of_node[find(leaf_trees[at], leaf_ids[at])?].push((index(targets[at])?, weight));
    }

    let (mut nodes, mut weights, mut has_parent) = (Vec::new(), Vec::new(), vec![false; trees.len()]);
    for at in 0..trees.len() {
        let Some(mode) = Mode::from_name(&modes[at]) else {
            if modes[at] != "LEAF" {
                return Err(format!("the mode '{}' of a node is not supported", modes[at]));
            }
            let start = weights.len();
            weights.append(&mut of_node[at]);
            nodes.push(Node::Leaf(start..weights.len()));
            continue;
        };
        let next = [find(trees[at], yes[at])?, find(trees[at], no[at])?];
        next.iter().for_each(|next| has_parent[*next] = true);
        nodes.push(Node::Branch(Branch {
            feature: index(features[at])?,
            mode,
            value: values[at],
            members: Vec::new(),
            missing_is_true: missing.get(at).is_some_and(|flag| *flag != 0),
            next,
        }));
    }
    let roots = (0..nodes.len()).filter(|at| !has_parent[*at]).collect();
    Ok(Trees { nodes, roots, weights })
}

/// The trees of TreeEnsemble: inner nodes and leaves are numbered by themselves.
pub fn by_places(node: &NodeSpec<'_>) -> Result<Trees, Refusal> {
    let tensor = |name: &str| Ok::<_, Refusal>(node.attributes.tensor(name)?.map(|tensor| host::to_f64s(&tensor)));
    let splits = tensor("nodes_splits")?.ok_or("the attribute nodes_splits is missing")?;
    let modes = tensor("nodes_modes")?.ok_or("the attribute nodes_modes is missing")?;
    let all = |name: &str| ints(node, name, Some(splits.len()));
    let features = all("nodes_featureids")?;
    let (yes, yes_leaf) = (all("nodes_truenodeids")?, all("nodes_trueleafs")?);
    let (no, no_leaf) = (all("nodes_falsenodeids")?, all("nodes_falseleafs")?);
    let missing = ints(node, "nodes_missing_value_tracks_true", None)?;
    tensor("nodes_hitrates")?;
    // The values of each node of the mode MEMBER, with NaN behind each list.
    let members = tensor("membership_values")?.unwrap_or_default();
    let mut members = members.split(|value| value.is_nan());
    let targets = ints(node, "leaf_targetids", None)?;
    let leaf_weights = tensor("leaf_weights")?.ok_or("the attribute leaf_weights is missing")?;
    if leaf_weights.len() != targets.len() || modes.len() != splits.len() {
        return Err("the attributes of nodes or of leaves differ in length".to_string());
    }

    let mut nodes = Vec::with_capacity(splits.len() + targets.len());
    let place =
        |at: i64, leaf: i64| Ok::<_, Refusal>(index(at)?.saturating_add(if leaf != 0 { splits.len() } else { 0 }));
    for at in 0..splits.len() {
        let mode =
            Mode::from_number(modes[at] as i64).ok_or(format!("the mode {} of a node is not supported", modes[at]))?;
        nodes.push(Node::Branch(Branch {
            feature: index(features[at])?,
            mode,
            value: splits[at],
            members: if mode == Mode::Member { members.next().unwrap_or_default().to_vec() } else { Vec::new() },
            missing_is_true: missing.get(at).is_some_and(|flag| *flag != 0),
            next: [place(yes[at], yes_leaf[at])?, place(no[at], no_leaf[at])?],
        }));
    }
    nodes.extend((0..targets.len()).map(|at| Node::Leaf(at..at + 1)));
    let weights = targets.iter().zip(leaf_weights).map(|(target, weight)| Ok((index(*target)?, weight)));
    let weights = weights.collect::<Result<_, Refusal>>()?;
    let roots = ints(node, "tree_roots", None)?.into_iter().map(index).collect::<Result<Vec<_>, _>>()?;
    // A tree of one leaf alone is written as a node whose branches are the same leaf.
    for root in &roots {
        if let Some(Node::Branch(branch)) = nodes.get(*root)
            && branch.next[0] == branch.next[1]
            && let Some(Node::Leaf(range)) = nodes.get(branch.next[0])
        {
            nodes[*root] = Node::Leaf(range.clone());
        }
    }
    Ok(Trees { nodes, roots, weights })
}
