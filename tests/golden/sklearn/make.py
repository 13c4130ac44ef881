"""Regenerates sklearn.safetensors (see README.md): python make.py"""

from pathlib import Path

import numpy as np
import onnxruntime
from safetensors.numpy import save_file
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Binarizer, Normalizer, OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

HERE = Path(__file__).resolve().parent
kept = {}


def texts(array) -> np.ndarray:
    """Strings as the bytes of their lines."""
    return np.frombuffer("\n".join(np.asarray(array).ravel().tolist()).encode(), np.uint8)


def keep(name, array):
    array = np.asarray(array)
    kept[name] = texts(array) if array.dtype.kind in "UO" else np.asarray(array, order="C")


def case(name, model, x, y=None, types=None, zipmap=False, rows=12):
    """The export of `model`, trained on `x` and `y`, and what onnxruntime makes of some rows."""
    model.fit(x, y)
    last = model[-1] if hasattr(model, "steps") else model
    options = {id(last): {"zipmap": zipmap}} if hasattr(last, "classes_") else None
    types = types or [("x", FloatTensorType([None, x.shape[1]]))]
    onnx = to_onnx(model, initial_types=types, options=options, target_opset={"": 18, "ai.onnx.ml": 3})
    some = np.linspace(0, len(x) - 1, rows).astype(int)
    if len(types) == 1:
        dtype = {FloatTensorType: np.float32, Int64TensorType: np.int64, StringTensorType: str}[type(types[0][1])]
        feeds = {"x": x[some].astype(dtype)}
    else:
        feeds = {port: x[some][:, [at]].astype(np.float32 if isinstance(kind, FloatTensorType) else str) for at, (port, kind) in enumerate(types)}
    session = onnxruntime.InferenceSession(onnx.SerializeToString(), providers=["CPUExecutionProvider"])
    ort_feeds = {port: array.astype(object) if array.dtype.kind == "U" else array for port, array in feeds.items()}
    for port, array in feeds.items():
        keep(f"{name}/in/{port}", array)
    for port, result in zip(session.get_outputs(), session.run(None, ort_feeds)):
        if isinstance(result, list):
            # A map of each row: the keys, and a row of values.
            keep(f"{name}/keys/{port.name}", [str(key) for key in result[0]])
            result = np.array([list(row.values()) for row in result], np.float32)
        keep(f"{name}/out/{port.name}", result)
    kept[f"{name}/model"] = np.frombuffer(onnx.SerializeToString(), np.uint8)


iris, cancer, diabetes = load_iris(), load_breast_cancer(), load_diabetes()
names = iris.target_names[iris.target]
few = {"n_estimators": 5, "max_depth": 3, "random_state": 0}

case("logistic_two", LogisticRegression(max_iter=5000), cancer.data, cancer.target)
case("logistic_many", LogisticRegression(max_iter=5000), iris.data, iris.target)
case("logistic_strings_zipmap", LogisticRegression(max_iter=5000), iris.data, names, zipmap=True)
case("logistic_two_zipmap", LogisticRegression(max_iter=5000), iris.data[:100], iris.target[:100], zipmap=True)
case("scaled_logistic_strings", make_pipeline(StandardScaler(), LogisticRegression()), iris.data, names)
case("normalised", make_pipeline(Normalizer("l1"), LogisticRegression(max_iter=5000)), iris.data, iris.target)
case("sgd_log", make_pipeline(StandardScaler(), SGDClassifier(loss="log_loss", random_state=0)), iris.data, iris.target)
case("tree", DecisionTreeClassifier(max_depth=4, random_state=0), iris.data, iris.target)
case("tree_two_strings", DecisionTreeClassifier(max_depth=3, random_state=0), iris.data[:100], names[:100], zipmap=True)
case("forest_many", RandomForestClassifier(**few), iris.data, names)
case("forest_two", RandomForestClassifier(**few), cancer.data[:, :8], cancer.target)
case("boosting_two", GradientBoostingClassifier(**few), cancer.data[:, :8], cancer.target)
case("boosting_many", GradientBoostingClassifier(**few), iris.data, iris.target)
case("naive_bayes", GaussianNB(), iris.data, iris.target)
case("perceptron", make_pipeline(StandardScaler(), MLPClassifier((6,), random_state=0, max_iter=500)), iris.data, iris.target)
case("linear", LinearRegression(), diabetes.data, diabetes.target)
case("ridge_two_targets", make_pipeline(Normalizer("max"), Ridge()), diabetes.data, np.stack([diabetes.target, diabetes.target * 2], 1))
case("tree_regressor", make_pipeline(SimpleImputer(), DecisionTreeRegressor(max_depth=4, random_state=0)), np.where(diabetes.data > 0.08, np.nan, diabetes.data), diabetes.target)
case("forest_regressor", RandomForestRegressor(**few), diabetes.data, diabetes.target)
case("extra_trees_two_targets", ExtraTreesRegressor(**few), diabetes.data, np.stack([diabetes.target, diabetes.target * 2], 1))
case("boosting_regressor", GradientBoostingRegressor(**few), diabetes.data, diabetes.target)
case("binarised_tree", make_pipeline(Binarizer(threshold=2.5), DecisionTreeClassifier(random_state=0)), iris.data, iris.target)

colours = np.array(["red", "green", "blue", "grün"])[(iris.data[:, 0] * 10 % 4).astype(int)].reshape(-1, 1)
case("one_hot_strings", make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression()), colours, iris.target, [("x", StringTensorType([None, 1]))])
case("ordinal_strings", make_pipeline(OrdinalEncoder(), DecisionTreeClassifier(random_state=0)), colours, iris.target, [("x", StringTensorType([None, 1]))])
counts = (iris.data * 2).astype(np.int64)
case("one_hot_integers", make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression()), counts, iris.target, [("x", Int64TensorType([None, 4]))])
mixed = np.concatenate([iris.data[:, :2].astype(object), colours.astype(object)], 1)
columns = ColumnTransformer([("numbers", StandardScaler(), [0, 1]), ("words", OneHotEncoder(handle_unknown="ignore"), [2])])
case("columns", make_pipeline(columns, LogisticRegression(max_iter=1000)), mixed, names, [("a", FloatTensorType([None, 1])), ("b", FloatTensorType([None, 1])), ("c", StringTensorType([None, 1]))], zipmap=True)

save_file(kept, HERE / "sklearn.safetensors")
print(len({name.split("/")[0] for name in kept}), "cases")
