"""Centrality of sentences from their similarities, by networkx's PageRank and by the package lexrank.

The matrices are cosines of random vectors whose entries are positive, so that similarities are as those of sentences; a group of
vectors that are near each other stands for sentences about one thing.
"""

import json
from pathlib import Path

import networkx
import numpy as np
from lexrank.algorithms.power_method import stationary_distribution


def similarities(numbers: np.random.Generator, count: int) -> np.ndarray:
    vectors = numbers.normal(0.3, 1.0, (count, 16))
    vectors[: count // 2] = vectors[0] + 0.4 * vectors[: count // 2]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.clip(vectors @ vectors.T, 0.0, None).astype(np.float32)


def pagerank(matrix: np.ndarray) -> list[float]:
    ranks = networkx.pagerank(networkx.from_numpy_array(matrix.astype(float)), alpha=0.85, tol=1e-12, max_iter=1000)
    return [ranks[node] for node in range(len(matrix))]


def lexrank(matrix: np.ndarray) -> list[float]:
    """Without damping: the stationary distribution of the rows, each divided by its sum."""
    rows = matrix.astype(float)
    return stationary_distribution(rows / rows.sum(axis=1, keepdims=True)).tolist()


def make() -> None:
    numbers = np.random.default_rng(17)
    cases = []
    for count in (1, 2, 5, 12):
        matrix = similarities(numbers, count)
        cases.append(
            {"similarities": matrix.ravel().tolist(), "pagerank": pagerank(matrix), "lexrank": lexrank(matrix)}
        )
    Path(__file__).with_suffix(".json").write_text(json.dumps(cases) + "\n")
