//! A stand-in for werf's image of Ansible: Debian's `ansible-core` with a Python that needs nothing of the image it
//! runs in.
//!
//! Everything lies below `/.werf/stapel`, where kiel mounts it. Python is started by its own loader with its own
//! libraries, by a script of a static shell. Only the place of its locale is told by a variable, which the programs that
//! tasks start see too.

use std::path::Path;

use anyhow::{Context, Result};

use super::debian;
use super::layer::{Layer, Packed};

/// Where the programs of the toolchain are while tasks run; Python looks for its library beside them.
const FOLDER: &str = ".werf/stapel/embedded";
/// What Ansible imports at every start, with all that these need.
const PYTHON: &[&str] = &[
    "libc-bin",
    "python3",
    "python3-jinja2",
    "python3-packaging",
    "python3-yaml",
];
/// Taken alone: what else they ask for is for tasks on other machines.
const ALONE: &[&str] = &["ansible-core", "busybox-static"];
/// The programs that are kept.
const PROGRAMS: &[&str] = &["ansible-playbook", "busybox"];
/// What no task asks for.
const LEFT_OUT: &[&str] = &["gconv", "perl-base", "test", "libdb-5.3.so", "libmvec.so.1"];

/// The toolchain's one layer.
pub(crate) fn layer(work: &Path) -> Result<Packed> {
    let mut packages = Layer::default();
    let python = debian::download(PYTHON, &work.join("python"), debian::Missing::Everywhere)?;
    let alone = debian::download_alone(ALONE, &work.join("alone"))?;
    for archive in python.iter().chain(&alone) {
        packages.add_package(archive, None)?;
    }
    let libraries = format!("lib/{}-linux-gnu", std::env::consts::ARCH);
    let loader = packages
        .names_in(&format!("usr/{libraries}"))
        .into_iter()
        .find(|name| name.starts_with("ld-linux"))
        .context("the C library has no loader")?;
    let python = packages
        .names_in("usr/bin")
        .into_iter()
        .find(|name| name.starts_with("python3."))
        .context("there is no Python")?;
    let mut layer = packages.moved("usr", FOLDER, |path| is_kept(path, &python));
    for folder in [".werf", ".werf/stapel", FOLDER] {
        layer.add_folder(folder, 0o755);
    }
    layer.add_link(&format!("{FOLDER}/bin/sh"), "busybox");
    layer.add_link(&format!("{FOLDER}/bin/python3"), "python");
    let script = format!(
        "#!/{FOLDER}/bin/sh\nexport LOCPATH=/{FOLDER}/lib/locale\nexec /{FOLDER}/{libraries}/{loader} --library-path /{FOLDER}/{libraries} \
         --argv0 /{FOLDER}/bin/python /{FOLDER}/bin/{python} \"$@\"\n"
    );
    layer.add_file(&format!("{FOLDER}/bin/python"), 0o755, script);
    layer.pack()
}

/// `path` is relative to `/usr`.
fn is_kept(path: &Path, python: &str) -> bool {
    let mut parts = path.iter().filter_map(|part| part.to_str());
    match (parts.next(), parts.next(), parts.next()) {
        (Some("bin"), Some(program), _) => program == python || PROGRAMS.contains(&program),
        (Some("lib"), _, third) => !third.is_some_and(|name| LEFT_OUT.contains(&name)),
        (Some("bin"), None, _) => true,
        _ => false,
    }
}
