"""Makes the streams of `cargo xtask eval learning`: labelled texts of packages, in one or two parts.

    python make.py --cache FOLDER --outcomes FILE --out FOLDER

Writes OUT/NAME.json: {"name", "labels": [{"label", "description"}], "rows": [{"text", "label", "part"}]}. The texts of
part 1 come after those of part 0, so that the domain changes in the middle. Each text is there once.
"""

import argparse
import gzip
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "training"))

import sentiment
import spam
from near_duplicates import digest, normalise
from packages import SPAM_ASSASSIN, VADER, fetch

# So many texts of a stream are drawn, by the digest of the text: embedding more takes long and changes little.
MOST = 9000
# So many words of a text are read.
WORDS = 60

OPINIONS = {"positive": "A positive opinion: good, wonderful, I like it.", "negative": "A negative opinion: bad, terrible, I dislike it."}
MAILS = {"ham": "A personal or work message, a reply on a mailing list.",
         "spam": "Unsolicited advertising: make money, buy now, click here."}

# The subjects of MMLU by their field, as its authors group them (categories.py of github.com/hendrycks/test, MIT).
TOPICS = {
    "biology": ("Biology: cells, genes, evolution, plants and animals.", ["college_biology", "high_school_biology"]),
    "business": ("Business: management, marketing, ethics of companies.", ["business_ethics", "management", "marketing"]),
    "chemistry": ("Chemistry: molecules, reactions, acids.", ["college_chemistry", "high_school_chemistry"]),
    "computer science": ("Computer science: programs, algorithms, security, machine learning.",
                         ["college_computer_science", "computer_security", "high_school_computer_science",
                          "machine_learning"]),
    "culture": ("Culture and society: sociology, sexuality.", ["human_sexuality", "sociology"]),
    "economics": ("Economics: markets, prices, inflation, statistics of the economy.",
                  ["econometrics", "high_school_macroeconomics", "high_school_microeconomics"]),
    "engineering": ("Electrical engineering: circuits, voltage, machines.", ["electrical_engineering"]),
    "geography": ("Geography: countries, cities, population, maps.", ["high_school_geography"]),
    "health": ("Health and medicine: patients, diseases, anatomy, nutrition.",
               ["anatomy", "clinical_knowledge", "college_medicine", "human_aging", "medical_genetics", "nutrition",
                "professional_medicine", "virology"]),
    "history": ("History: wars, kings, ancient peoples, historical sources.",
                ["high_school_european_history", "high_school_us_history", "high_school_world_history", "prehistory"]),
    "law": ("Law: courts, contracts, statutes, defendants.", ["international_law", "jurisprudence", "professional_law"]),
    "math": ("Mathematics: numbers, equations, functions, probability.",
             ["abstract_algebra", "college_mathematics", "elementary_mathematics", "high_school_mathematics",
              "high_school_statistics"]),
    "other": ("General knowledge, trivia, accounting, facts about the world.",
              ["global_facts", "miscellaneous", "professional_accounting"]),
    "philosophy": ("Philosophy: morals, logic, arguments, religions.",
                   ["formal_logic", "logical_fallacies", "moral_disputes", "moral_scenarios", "philosophy",
                    "world_religions"]),
    "physics": ("Physics and astronomy: forces, energy, light, planets.",
                ["astronomy", "college_physics", "conceptual_physics", "high_school_physics"]),
    "politics": ("Politics: governments, foreign policy, security, public relations.",
                 ["high_school_government_and_politics", "public_relations", "security_studies", "us_foreign_policy"]),
    "psychology": ("Psychology: behaviour, memory, therapy, development.",
                   ["high_school_psychology", "professional_psychology"]),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, required=True, help="the cache folder of Pilot Light")
    parser.add_argument("--outcomes", type=Path, required=True, help="questions of MMLU with their subjects, JSON Lines")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    packages = options.cache / "data" / "packages"

    opinions = {part: graded(fetch(VADER, packages), part)
                for part in (sentiment.FILM, sentiment.PRODUCT, sentiment.MESSAGE)}
    mails = spam.distinct(spam.read_mails(fetch(SPAM_ASSASSIN, packages)))
    openings = [{"text": mail["opening"], "label": mail["label"]} for mail in mails]
    subjects = [{"text": mail["subject"], "label": mail["label"]} for mail in mails]
    films, others = opinions[sentiment.FILM], opinions[sentiment.PRODUCT] + opinions[sentiment.MESSAGE]

    options.out.mkdir(parents=True, exist_ok=True)
    write(options.out, "sentiment", OPINIONS, [films + others])
    write(options.out, "sentiment-shift", OPINIONS, [films, others])
    write(options.out, "spam", MAILS, [openings])
    write(options.out, "spam-shift", MAILS, [openings, subjects])
    topics = {topic: description for topic, (description, _) in TOPICS.items()}
    write(options.out, "topics", topics, [questions(options.outcomes)])


def graded(archive: Path, part: str) -> list[dict]:
    rows = sentiment.graded_sentences(archive, part)
    return [{"text": row["text"], "label": "positive" if row["rating"] > 0 else "negative"}
            for row in rows if abs(row["rating"]) >= sentiment.MARGIN]


def questions(path: Path) -> list[dict]:
    """The questions of MMLU, each with the field of its subject."""
    topic_of = {subject: topic for topic, (_, subjects) in TOPICS.items() for subject in subjects}
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [{"text": row["prompt"].removesuffix("\nAnswer:"), "label": topic_of[row["domain"]]}
            for row in rows if row["benchmark"] == "mmlu"]


def write(folder: Path, name: str, labels: dict[str, str], parts: list[list[dict]]) -> None:
    rows, seen = [], set()
    for part, texts in enumerate(parts):
        kept = []
        for row in sorted(texts, key=lambda row: digest(row["text"])):
            if row["text"] and (text := normalise(row["text"])) not in seen:
                seen.add(text)
                kept.append(row | {"text": " ".join(row["text"].split()[:WORDS]), "part": part})
        rows += kept[:MOST // len(parts)]
    described = [{"label": label, "description": description} for label, description in labels.items()]
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"name": name, "labels": described, "rows": rows}, ensure_ascii=False), encoding="utf-8")
    print(f"{path}: {len(rows)} texts", file=sys.stderr)


if __name__ == "__main__":
    main()
