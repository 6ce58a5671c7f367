//! Checks the structure of the crates: imports run one way, and only the edges of the runtime know rmcp.
//!
//! A module and the modules below it count as one unit: a module may use what is inside it, and that may use what the
//! module defines. Between all others, at every level, imports must not form a circle.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// The path of a module, for example `["audit", "chain"]`; the root is empty.
type Module = Vec<String>;

/// The modules of a crate, with their text up to the unit tests.
struct Crate(BTreeMap<Module, String>);

impl Crate {
    fn read(name: &str) -> Self {
        let mut modules = BTreeMap::new();
        let root = project().join(name).join("src");
        collect(&root, &Vec::new(), &mut modules);
        assert!(modules.len() > 3, "{name} has modules");
        Self(modules)
    }

    /// Lists the modules that each module imports, without its own ancestors and descendants.
    fn imports(&self) -> BTreeMap<Module, BTreeSet<Module>> {
        let imports_of = |(module, text): (&Module, &String)| {
            let targets = paths(text).into_iter().filter_map(|path| self.resolve(module, &path));
            let others = targets.filter(|target| !target.starts_with(module) && !module.starts_with(target));
            (module.clone(), others.collect())
        };
        self.0.iter().map(imports_of).collect()
    }

    /// Returns the module that a path leads to, if it is one of this crate.
    fn resolve(&self, module: &Module, path: &str) -> Option<Module> {
        let mut parts = path.split("::").peekable();
        let mut target = match *parts.peek()? {
            "crate" => Vec::new(),
            _ => module.clone(),
        };
        let mut is_local = false;
        while let Some(part) = parts.next_if(|part| ["crate", "self", "super"].contains(part)) {
            is_local = true;
            if part == "super" {
                target.pop();
            }
        }
        target.extend(parts.map(str::to_owned));
        if !is_local {
            // A path without a prefix is one of this crate if it starts with a module inside.
            let first = target.get(..=module.len())?;
            self.0.get(first)?;
        }
        while !self.0.contains_key(&target) {
            target.pop();
        }
        Some(target)
    }
}

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn collect(folder: &Path, module: &Module, modules: &mut BTreeMap<Module, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let inner = if name == "lib" { module.clone() } else { [module.clone(), vec![name]].concat() };
        if path.is_dir() {
            collect(&path, &inner, modules);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let lines = text.lines().take_while(|line| !line.starts_with("mod tests {"));
            let code: Vec<&str> = lines.map(|line| line.split("//").next().unwrap()).collect();
            modules.insert(inner, code.join("\n"));
        }
    }
}

/// Lists the paths of `use` declarations, and those in the code that start with `crate`, `self` or `super`.
fn paths(text: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for statement in text.split(';') {
        let start =
            statement.find("use ").filter(|at| !statement[..*at].ends_with(|c: char| c.is_alphanumeric()));
        match start.map(|at| statement.split_at(at + 4)) {
            Some((before, tree))
                if !before.contains('{') || before.trim_end().ends_with('{') || before.ends_with('\n') =>
            {
                expand("", &tree.split_whitespace().collect::<Vec<_>>().join(" "), &mut paths);
            }
            _ => {}
        }
        for prefix in ["crate::", "self::", "super::"] {
            for (at, _) in statement.match_indices(prefix) {
                let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
                let end = statement[at..].find(|c| !is_path(c)).map_or(statement.len(), |end| at + end);
                if !statement[at..end].ends_with(':') {
                    paths.push(statement[at..end].to_owned());
                }
            }
        }
    }
    paths
}

/// Expands `a::{b, c::{d, e}}` into single paths.
fn expand(prefix: &str, tree: &str, paths: &mut Vec<String>) {
    let tree = tree.trim();
    let Some(open) = tree.find('{') else {
        let path = tree.split(" as ").next().unwrap();
        paths.push(format!("{prefix}{path}"));
        return;
    };
    let prefix = format!("{prefix}{}", &tree[..open]);
    let inner = tree[open + 1..].strip_suffix('}').unwrap_or(&tree[open + 1..]);
    let (mut depth, mut start) = (0, 0);
    for (at, character) in inner.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                expand(&prefix, &inner[start..at], paths);
                start = at + 1;
            }
            _ => {}
        }
    }
    if !inner[start..].trim().is_empty() {
        expand(&prefix, &inner[start..], paths);
    }
}

/// Cuts all modules to `depth` parts: two imports between folders count as one.
fn at_depth(
    imports: &BTreeMap<Module, BTreeSet<Module>>,
    depth: usize,
) -> BTreeMap<Module, BTreeSet<Module>> {
    let cut = |module: &Module| module.iter().take(depth).cloned().collect::<Module>();
    let mut folders: BTreeMap<Module, BTreeSet<Module>> = BTreeMap::new();
    for (module, targets) in imports {
        let from = cut(module);
        let others = targets.iter().map(cut).filter(|to| !to.starts_with(&from) && !from.starts_with(to));
        folders.entry(from.clone()).or_default().extend(others.collect::<Vec<_>>());
    }
    folders
}

/// Returns the modules of a circle, if there is one.
fn circle(imports: &BTreeMap<Module, BTreeSet<Module>>) -> Option<Vec<String>> {
    fn visit<'a>(
        module: &'a Module,
        imports: &'a BTreeMap<Module, BTreeSet<Module>>,
        done: &mut BTreeSet<&'a Module>,
        trail: &mut Vec<&'a Module>,
    ) -> Option<Vec<String>> {
        if let Some(at) = trail.iter().position(|visited| *visited == module) {
            return Some(trail[at..].iter().chain([&module]).map(|module| module.join("::")).collect());
        }
        if !done.insert(module) {
            return None;
        }
        trail.push(module);
        let found =
            imports.get(module).into_iter().flatten().find_map(|target| visit(target, imports, done, trail));
        trail.pop();
        found
    }
    let mut done = BTreeSet::new();
    imports.keys().find_map(|module| visit(module, imports, &mut done, &mut Vec::new()))
}

#[test]
fn imports_form_no_circle_between_files_or_folders() {
    for name in ["runtime", "macros", "examples", "examples/files", "examples/notes", "tests"] {
        let imports = Crate::read(name).imports();
        assert!(imports.values().any(|targets| !targets.is_empty()), "{name} has imports");
        for depth in 1..=4 {
            let found = circle(&at_depth(&imports, depth));
            assert_eq!(found, None, "{name}: these modules import each other in a circle");
        }
    }
}

#[test]
fn only_the_edges_of_the_runtime_use_rmcp() {
    for (module, text) in Crate::read("runtime").0 {
        let is_edge = module.is_empty() || ["serve", "client"].contains(&module[0].as_str());
        assert!(is_edge || !text.contains("rmcp::"), "{} uses rmcp", module.join("::"));
    }
}

/// Code that is generic over the state is compiled again with each change of a program: a command takes an `AnyServer`.
#[test]
fn commands_are_not_generic_over_the_state() {
    let modules = Crate::read("runtime").0.into_iter();
    let commands: Vec<_> = modules.filter(|(module, _)| module.len() > 1 && module[0] == "cli").collect();
    assert!(commands.iter().any(|(_, text)| text.contains("AnyServer")), "commands take a server");
    for (module, text) in commands {
        let is_generic = [" Server<", "&Server<", "(Server<"].iter().any(|name| text.contains(name));
        assert!(!is_generic, "{} names the state of a server", module.join("::"));
    }
}

#[test]
fn names_of_types_and_constants_are_unique_in_the_runtime() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (module, text) in Crate::read("runtime").0 {
        for line in text.lines().filter(|line| !line.starts_with([' ', '#', '}'])) {
            let words: Vec<&str> = line.split([' ', '<', '(', ':', ';', '{', '=']).collect();
            let kinds = ["struct", "enum", "trait", "type", "const", "static"];
            let Some(at) = words.iter().position(|word| kinds.contains(word)) else { continue };
            if let Some(name) = words.get(at + 1).filter(|name| !["fn", "_", ""].contains(name)) {
                places.entry((*name).to_owned()).or_default().push(module.join("::"));
            }
        }
    }
    assert!(places.len() > 200, "{} names", places.len());
    places.retain(|_, modules| modules.len() > 1);
    assert!(places.is_empty(), "one name stands for several things: {places:#?}");
}

#[test]
fn circles_are_found() {
    let text = "use super::{b::{self, X}, c};\nfn f() { crate::d::Y; }";
    assert_eq!(paths(text), ["super::b::self", "super::b::X", "super::c", "crate::d::Y"]);
    let module = |name: &str| vec!["a".to_owned(), name.to_owned()];
    let imports = |names: &[(&str, &str)]| {
        names.iter().map(|(from, to)| (module(from), BTreeSet::from([module(to)]))).collect()
    };
    assert_eq!(circle(&imports(&[("b", "c"), ("c", "d")])), None);
    let found = circle(&imports(&[("b", "c"), ("c", "d"), ("d", "c")]));
    assert_eq!(found, Some(vec!["a::c".to_owned(), "a::d".to_owned(), "a::c".to_owned()]));
}
