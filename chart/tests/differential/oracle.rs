//! The real Helm's engine in one process.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

pub(crate) struct Oracle {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Oracle {
    pub(crate) fn start(program: &Path) -> Result<Self> {
        let mut child = Command::new(program)
            .env_clear()
            .env("TZ", "UTC")
            .env("GOMAXPROCS", "2")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run `{}`", program.display()))?;
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().context("the program gives no output")?);
        Ok(Self { child, input, output })
    }

    /// Sends the questions, does `meanwhile`, and reads the answers.
    pub(crate) fn ask<T>(&mut self, questions: &[Value], meanwhile: impl FnOnce() -> T) -> Result<(Vec<Value>, T)> {
        let input = self.input.as_mut().context("the program takes no input")?;
        let output = &mut self.output;
        std::thread::scope(|scope| {
            let writer = scope.spawn(move || {
                questions.iter().try_for_each(|question| writeln!(input, "{question}"))?;
                input.flush()
            });
            let reader = scope.spawn(move || {
                let answers = output.lines().take(questions.len());
                answers.map(|line| Ok(serde_json::from_str(&line?)?)).collect::<Result<Vec<Value>>>()
            });
            let made = meanwhile();
            writer.join().map_err(|_| anyhow::anyhow!("a thread panicked"))?.context("the program stopped reading")?;
            let answers = reader.join().map_err(|_| anyhow::anyhow!("a thread panicked"))??;
            ensure!(answers.len() == questions.len(), "the program ended at {}", questions[answers.len()]);
            Ok((answers, made))
        })
    }

    pub(crate) fn end(mut self) -> Result<()> {
        drop(self.input.take());
        self.child.wait()?;
        Ok(())
    }
}
