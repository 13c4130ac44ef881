//! The labels of Magika that are text.

/// Whether files of this label are text.
pub fn is_text(label: &str) -> bool {
    TEXT.binary_search(&label).is_ok()
}

/// The labels of the model standard_v3_3 that `content_types_kb.min.json` of magika 1.0.3 calls text, in order.
#[rustfmt::skip]
const TEXT: [&str; 113] = [
    "aidl", "appleplist", "asm", "asp", "autohotkey", "autoit", "awk", "batch", "bazel", "bib", "c",
    "clojure", "cmake", "cobol", "coffeescript", "cpp", "cs", "csproj", "css", "csv", "dart", "diff", "dm",
    "dockerfile", "dxf", "elixir", "eml", "erb", "erlang", "fortran", "gemfile", "gemspec", "gitattributes",
    "gitmodules", "go", "gradle", "groovy", "handlebars", "haskell", "hcl", "htaccess", "html", "ics",
    "ignorefile", "ini", "internetshortcut", "ipynb", "java", "javascript", "jinja", "json", "jsonl", "julia",
    "kotlin", "latex", "lisp", "lua", "m3u", "m4", "makefile", "markdown", "matlab", "mht", "mum",
    "objectivec", "ocaml", "pascal", "pem", "perl", "php", "po", "powershell", "prolog", "proteindb", "proto",
    "python", "r", "randomtxt", "rdf", "rst", "rtf", "ruby", "rust", "scala", "scss", "sgml", "shell",
    "smali", "solidity", "sql", "srt", "stltext", "sum", "svg", "swift", "tcl", "textproto", "toml", "tsv",
    "twig", "txt", "typescript", "vba", "vcxproj", "verilog", "vhdl", "vtt", "vue", "winregistry", "xml",
    "yaml", "yara", "zig",
];
