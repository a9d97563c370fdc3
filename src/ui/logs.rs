//! Whole logs of build steps and containers, a file each, in a folder per run.
//!
//! What stands in them is what could be shown: masked, without control characters; long lines are whole. A run without
//! output makes no folder. The folders of the last runs are kept ([`KEPT_RUNS`], [`KEPT_BYTES`]); those of runs that
//! still go on stay. A log that cannot be written is told of once and stops nothing.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;

use super::mask::{Mask, Pieces};
use super::text::plain_line;

/// Runs whose logs are kept, the running one not counted.
pub(crate) const KEPT_RUNS: usize = 20;
/// What the logs of earlier runs may take together.
pub(crate) const KEPT_BYTES: u64 = 1 << 30;
/// Files that are open at a time.
const OPEN_FILES: usize = 32;
/// Longest part of a file's name that comes from the step's.
const NAME_LENGTH: usize = 60;

/// Where the logs of a run are.
#[derive(Debug, Clone, Default)]
pub struct LogFiles(BTreeMap<(String, String), PathBuf>);

impl LogFiles {
    /// The log of a build step of an image.
    #[must_use]
    pub fn of_step(&self, image: &str, step: &str) -> Option<&Path> {
        self.0
            .get(&(image.to_owned(), step.to_owned()))
            .map(PathBuf::as_path)
    }

    /// The logs of a resource's containers.
    #[must_use]
    pub fn of_resource(&self, resource: &str) -> Vec<&Path> {
        let is_of = |source: &str| {
            source
                .rsplit_once('/')
                .is_some_and(|(before, _)| before == resource)
        };
        let files = self.0.iter().filter(|((source, _), _)| is_of(source));
        files.map(|(_, path)| path.as_path()).collect()
    }
}

/// Writes the logs of a run.
#[derive(Debug)]
pub(super) struct LogWriter {
    /// The folder of all runs; none where nothing is to be written.
    root: Option<PathBuf>,
    run: Option<PathBuf>,
    run_name: String,
    logs: HashMap<(String, String), Log>,
    open: usize,
    clock: u64,
}

#[derive(Debug)]
struct Log {
    path: PathBuf,
    file: Option<BufWriter<fs::File>>,
    pieces: Pieces,
    used: u64,
}

impl LogWriter {
    /// `run_name` names the run's folder; names are sorted by time.
    pub(super) fn new(root: Option<PathBuf>, run_name: String) -> Self {
        Self {
            root,
            run: None,
            run_name,
            logs: HashMap::new(),
            open: 0,
            clock: 0,
        }
    }

    /// Adds a line, or a piece of one, to the log of its step. Gives an error once: then nothing is written any more.
    pub(super) fn add(
        &mut self,
        mask: &Mask,
        (source, part): (&str, &str),
        line: &str,
        ends: bool,
    ) -> io::Result<()> {
        if self.root.is_none() {
            return Ok(());
        }
        let result = self.write(mask, (source, part), line, ends);
        if result.is_err() {
            self.root = None;
        }
        result
    }

    fn write(&mut self, mask: &Mask, key: (&str, &str), line: &str, ends: bool) -> io::Result<()> {
        self.clock += 1;
        let key = (key.0.to_owned(), key.1.to_owned());
        if !self.logs.contains_key(&key) {
            let log = self.begin(mask, &key)?;
            self.logs.insert(key.clone(), log);
        }
        if self.open > OPEN_FILES {
            self.close_oldest(&key)?;
        }
        let clock = self.clock;
        let Some(log) = self.logs.get_mut(&key) else {
            return Ok(());
        };
        if log.file.is_none() {
            let file = fs::OpenOptions::new().append(true).open(&log.path)?;
            log.file = Some(BufWriter::new(file));
            self.open += 1;
        }
        log.used = clock;
        let shown = log.pieces.add(mask, &plain_line(line), ends);
        let Some(file) = &mut log.file else { return Ok(()) };
        file.write_all(shown.as_bytes())?;
        if ends {
            file.write_all(b"\n")?;
        }
        Ok(())
    }

    fn begin(&mut self, mask: &Mask, (source, part): &(String, String)) -> io::Result<Log> {
        let folder = self.folder()?;
        let (source, part) = (mask.apply(source), mask.apply(part));
        let stem = match part.strip_prefix(&source) {
            Some(rest) if rest.starts_with(':') => file_name(&part),
            _ => file_name(&format!("{source} {part}")),
        };
        let taken = |path: &PathBuf| self.logs.values().any(|log| log.path == *path);
        let path = (1..)
            .map(|number| match number {
                1 => folder.join(format!("{stem}.log")),
                number => folder.join(format!("{stem}-{number}.log")),
            })
            .find(|path| !taken(path))
            .ok_or_else(|| io::Error::other("no name is left"))?;
        let file = fs::OpenOptions::new()
            .create_new(true)
            .append(true)
            .mode(0o600)
            .open(&path)?;
        self.open += 1;
        Ok(Log {
            path,
            file: Some(BufWriter::new(file)),
            pieces: Pieces::default(),
            used: self.clock,
        })
    }

    fn folder(&mut self) -> io::Result<PathBuf> {
        if let Some(run) = &self.run {
            return Ok(run.clone());
        }
        let root = self
            .root
            .clone()
            .ok_or_else(|| io::Error::other("no folder is given"))?;
        let mut maker = std::fs::DirBuilder::new();
        maker.recursive(true).mode(0o700);
        maker.create(&root)?;
        prune(&root);
        let run = root.join(&self.run_name);
        maker.create(&run)?;
        self.run = Some(run.clone());
        Ok(run)
    }

    fn close_oldest(&mut self, except: &(String, String)) -> io::Result<()> {
        let open = self
            .logs
            .iter_mut()
            .filter(|(key, log)| log.file.is_some() && *key != except);
        if let Some((_, log)) = open.min_by_key(|(_, log)| log.used)
            && let Some(mut file) = log.file.take()
        {
            self.open -= 1;
            file.flush()?;
        }
        Ok(())
    }

    /// Writes out what is held in memory: a run may be killed.
    pub(super) fn flush(&mut self) {
        for log in self.logs.values_mut() {
            if let Some(file) = &mut log.file {
                // Told of when the next line is written.
                drop(file.flush());
            }
        }
    }

    /// Ends all files.
    pub(super) fn finish(mut self, mask: &Mask) -> LogFiles {
        for log in self.logs.values_mut() {
            let rest = log.pieces.add(mask, "", true);
            if let Some(file) = &mut log.file {
                drop(file.write_all(rest.as_bytes()).and_then(|()| file.flush()));
            }
        }
        LogFiles(self.logs.into_iter().map(|(key, log)| (key, log.path)).collect())
    }
}

/// A name that every file system takes.
fn file_name(text: &str) -> String {
    let mut name = String::new();
    for c in text.chars() {
        let c = if c.is_ascii_alphanumeric() || c == '.' {
            c
        } else {
            '-'
        };
        if !(c == '-' && name.ends_with('-')) {
            name.push(c);
        }
        if name.len() >= NAME_LENGTH {
            break;
        }
    }
    let name = name.trim_matches(['-', '.']);
    if name.is_empty() {
        "log".to_owned()
    } else {
        name.to_owned()
    }
}

/// Removes the folders of runs that are too many or too large, the oldest first. Other files are left alone.
fn prune(root: &Path) {
    let Ok(entries) = fs::read_dir(root) else { return };
    let mut runs: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_dir() && process_of(path).is_some())
        .collect();
    runs.sort();
    let mut size = 0;
    for (count, run) in runs.iter().rev().enumerate() {
        size += size_of_files(run);
        let goes_on = process_of(run).is_some_and(|process| Path::new("/proc").join(process).exists());
        if (count >= KEPT_RUNS || size > KEPT_BYTES) && !goes_on {
            // What another run has removed meanwhile is gone all the same.
            drop(fs::remove_dir_all(run));
        }
    }
}

/// `20261121T142233.123Z-4711` → `4711`.
fn process_of(run: &Path) -> Option<&str> {
    let name = run.file_name()?.to_str()?;
    let (time, process) = name.split_once("Z-")?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits(process) && time.len() == 19 && time.contains('T')).then_some(process)
}

fn size_of_files(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    entries
        .filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len()))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = "20261121T142233.123Z-4711";

    fn writer(folder: &tempfile::TempDir) -> LogWriter {
        LogWriter::new(Some(folder.path().join("logs")), RUN.to_owned())
    }

    #[test]
    fn every_step_has_its_file_with_its_whole_lines() {
        let folder = tempfile::tempdir().unwrap();
        let mask = Mask::default();
        mask.hide("hush-hush");
        let mut writer = writer(&folder);
        let long = "x".repeat(1 << 20);
        for (source, part, line, ends) in [
            ("app", "[1/2] RUN make", "a\u{1b}[2Jb hush-", false),
            ("app", "[1/2] RUN make", "hush", true),
            ("app", "[1/2] RUN make", &long, false),
            ("app", "[1/2] RUN make", "end", true),
            ("app", "[2/2] RUN make", "other", true),
            ("web", "web: install", "installed", true),
            ("Job/migrate/main", "migrate-x1", "moved", true),
        ] {
            writer.add(&mask, (source, part), line, ends).unwrap();
        }
        let files = writer.finish(&mask);
        let path = files.of_step("app", "[1/2] RUN make").unwrap();
        assert_eq!(path.file_name().unwrap(), "app-1-2-RUN-make.log");
        assert_eq!(fs::read_to_string(path).unwrap(), format!("ab ***\n{long}end\n"));
        let other = files.of_step("app", "[2/2] RUN make").unwrap();
        assert_eq!(fs::read_to_string(other).unwrap(), "other\n");
        let stage = files.of_step("web", "web: install").unwrap();
        assert_eq!(stage.file_name().unwrap(), "web-install.log");
        let pod = files.of_resource("Job/migrate");
        assert_eq!(pod.len(), 1);
        assert!(files.of_resource("Job/mig").is_empty());
    }

    #[test]
    fn many_logs_take_few_descriptors() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = writer(&folder);
        let mask = Mask::default();
        for round in 0..2 {
            for number in 0..4 * OPEN_FILES {
                let part = format!("step {number}");
                let line = format!("{round}");
                writer.add(&mask, ("app", &part), &line, true).unwrap();
                let open = writer.logs.values().filter(|log| log.file.is_some()).count();
                assert!(
                    open == writer.open && open <= OPEN_FILES + 1,
                    "{open} files are open"
                );
            }
        }
        let files = writer.finish(&mask);
        for number in 0..4 * OPEN_FILES {
            let path = files.of_step("app", &format!("step {number}")).unwrap();
            assert_eq!(fs::read_to_string(path).unwrap(), "0\n1\n");
        }
    }

    #[test]
    fn old_runs_go_and_running_ones_and_files_of_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let alive = format!("20200101T000000.000Z-{}", std::process::id());
        fs::create_dir(root.join(&alive)).unwrap();
        fs::create_dir(root.join("mine")).unwrap();
        for number in 0..KEPT_RUNS + 5 {
            // No process has this number: the kernel's limit is 2^22.
            fs::create_dir(root.join(format!("202601{:02}T000000.000Z-99999999", number + 1))).unwrap();
        }
        prune(root);
        let mut left: Vec<String> = fs::read_dir(root)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left.len(), KEPT_RUNS + 2);
        assert!(left.contains(&alive) && left.contains(&"mine".to_owned()));
        assert!(left[1].starts_with("20260106"), "{left:?}");
    }

    #[test]
    fn names_are_plain() {
        assert_eq!(file_name("app ../../etc/passwd"), "app-..-..-etc-passwd");
        assert_eq!(file_name("\u{1b}"), "log");
        assert!(file_name(&"x".repeat(500)).len() <= NAME_LENGTH);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_told_of_once() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let mut writer = LogWriter::new(Some(folder.path().join("file/logs")), RUN.to_owned());
        let mask = Mask::default();
        writer.add(&mask, ("a", "b"), "x", true).unwrap_err();
        writer.add(&mask, ("a", "b"), "x", true).unwrap();
    }
}
