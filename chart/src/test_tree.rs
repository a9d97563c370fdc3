//! A tree of files in memory, for tests.

use std::collections::BTreeMap;
use std::sync::Arc;

use kiel_template::files::{FileError, FileTree};

pub(crate) struct TestTree(BTreeMap<String, Arc<[u8]>>);

impl TestTree {
    pub(crate) fn new(dir: &str, files: &[(&str, &str)]) -> Self {
        let files = files
            .iter()
            .map(|(path, text)| (format!("{dir}/{path}"), Arc::from(text.as_bytes())));
        Self(files.collect())
    }

    pub(crate) fn add(&mut self, path: &str, data: &[u8]) {
        self.0.insert(path.to_owned(), Arc::from(data));
    }
}

impl FileTree for TestTree {
    fn read(&self, path: &str) -> Result<Option<Arc<[u8]>>, FileError> {
        Ok(self.0.get(path).cloned())
    }

    fn list(&self, dir: &str) -> Result<Vec<String>, FileError> {
        Ok(self
            .0
            .keys()
            .filter(|path| path.starts_with(&format!("{dir}/")))
            .cloned()
            .collect())
    }

    fn is_dir(&self, path: &str) -> Result<bool, FileError> {
        Ok(self.0.keys().any(|file| file.starts_with(&format!("{path}/"))))
    }
}
