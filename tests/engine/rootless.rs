//! The engine of a user that is not root.

use anyhow::{Result, bail, ensure};

use super::engine::{self, Account, Bench, ClientProcess, copied_tools};

/// Everything again as a user that is not root.
pub(crate) fn builds() -> Result<Option<String>> {
    let Some(account) = engine::ordinary_user()? else {
        return Ok(Some("only root can make a user to test with".to_owned()));
    };
    let mut bench = Bench::new()?;
    bench.tools = copied_tools(&bench)?;
    account.own(bench.folder.path())?;
    let mut client = ClientProcess::start(
        &bench,
        Account::User(&account),
        "id -u; echo hello > /f; chown 33:33 /f",
    )?;
    client.wait_for("0")?;
    client.wait_for("solved")?;
    client.finish()?;
    bench.wait_for_end()?;
    for round in 0..3 {
        let marker = bench.marker(round);
        let script = format!("echo running; sleep {marker}");
        let mut client = ClientProcess::start(&bench, Account::User(&account), &script)?;
        client.wait_for("running")?;
        ensure!(client.started);
        engine::wait_for_step(&marker)?;
        client.kill()?;
        bench.wait_for_end()?;
        bench.assert_nothing_left(Some(&marker))?;
    }
    Ok(None)
}

/// Programs of another architecture run, registered for the engine alone, whoever starts it.
pub(crate) fn foreign_programs() -> Result<Option<String>> {
    if let Some(reason) = engine::cannot_emulate() {
        return Ok(Some(reason.to_owned()));
    }
    let Some(emulator) = engine::emulator()? else {
        return Ok(Some(
            "the machine runs programs of the other architecture itself".to_owned(),
        ));
    };
    let user = engine::ordinary_user()?;
    for account in [Account::Own].into_iter().chain(user.as_ref().map(Account::User)) {
        let mut bench = Bench::new()?;
        bench.tools.emulator = Some(emulator.clone());
        if let Account::User(user) = account {
            bench.tools = copied_tools(&bench)?;
            user.own(bench.folder.path())?;
        }
        let script = "uname -m; cp /bin/busybox /uname; busybox chown 33:33 /uname; /uname";
        let mut client = ClientProcess::start(&bench, account, script)?;
        let machine = match engine::foreign().architecture.as_str() {
            "arm64" => "aarch64",
            _ => "x86_64",
        };
        client.wait_for(machine)?;
        client.wait_for("Linux")?;
        client.wait_for("solved")?;
        client.finish()?;
        bench.wait_for_end()?;
        bench.assert_nothing_left(None)?;
    }
    ensure!(!engine::machine_emulates(), "the machine has it now");
    Ok(None)
}

/// What such a user may lack is named, with the command that grants it.
pub(crate) fn lacks() -> Result<Option<String>> {
    let Some(account) = engine::ordinary_user()? else {
        return Ok(Some("only root can make a user to test with".to_owned()));
    };
    let mut bench = Bench::new()?;
    bench.tools = copied_tools(&bench)?;
    account.own(bench.folder.path())?;
    account.without_subordinate_ids(|| {
        let Err(error) = ClientProcess::start(&bench, Account::User(&account), "true") else {
            bail!("it started without subordinate ids");
        };
        let text = error.to_string();
        ensure!(text.contains("subordinate ids in `/etc/subuid`"), "{text}");
        ensure!(
            text.contains(&format!("usermod --add-subuids 100000-165535 {}", account.name)),
            "{text}"
        );
        Ok(())
    })?;
    bench.search_path = Some(bench.folder.path().join("bin"));
    let Err(error) = ClientProcess::start(&bench, Account::User(&account), "true") else {
        bail!("it started without newuidmap");
    };
    ensure!(error.to_string().contains("apt-get install uidmap"), "{error}");
    Ok(None)
}
