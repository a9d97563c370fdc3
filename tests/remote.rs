//! Files of other repositories: includes and git mappings, from real Git servers that the tests start. Every request is
//! counted: nothing is fetched twice, and nothing at all is asked for when what counts is in the cache.

#[path = "support/authority.rs"]
mod authority;
#[path = "support/git_server.rs"]
mod git_server;
mod harness;
#[path = "remote/includes.rs"]
mod includes;
#[path = "remote/mappings.rs"]
mod mappings;

use bytes::Bytes;
use git_server::GitServer;
use harness::{Project, Run};
use http_body_util::Full;
use hyper::Response;

const META: &str = "project: demo\nconfigVersion: 1\n";

const CONFIG: &str =
    "project: demo\nconfigVersion: 1\n---\n{{ template \"img\" \"app\" }}# {{ .Files.Get \"conf/a.txt\" }}\n";

/// A library of templates and files, with the tag v1 (annotated) and a second commit on main.
struct Library {
    project: Project,
    first: String,
    second: String,
}

impl Library {
    fn new() -> Self {
        let project = Project::empty("library");
        project.commit(&[
            (
                "common/.werf/lib.tmpl",
                "{{ define \"img\" }}image: {{ . }}\ndockerfile: Dockerfile\n{{ end }}",
            ),
            ("common/conf/a.txt", "one"),
            ("common/conf/b.txt", "b"),
            ("other/x.txt", "x"),
        ]);
        project.git(&["tag", "-a", "v1", "-m", "one"]);
        let first = project.git(&["rev-parse", "HEAD"]);
        project.commit(&[("common/conf/a.txt", "two")]);
        let second = project.git(&["rev-parse", "HEAD"]);
        Self {
            project,
            first,
            second,
        }
    }

    fn serve(&self) -> GitServer {
        GitServer::start(self.project.path(), Some("me:s3cret-token"))
    }
}

/// A project that includes; its cache is its own.
struct User {
    project: Project,
    home: tempfile::TempDir,
}

impl User {
    fn new(files: &[(&str, &str)]) -> Self {
        let project = Project::empty("includes");
        project.commit(files);
        let home = tempfile::tempdir().expect("a temporary folder can be made");
        Self { project, home }
    }

    fn including(include: &str) -> Self {
        let includes = format!("includes:\n{include}");
        Self::new(&[("werf.yaml", CONFIG), ("werf-includes.yaml", &includes)])
    }

    fn command(&self, args: &[&str]) -> std::process::Command {
        let mut command = self.project.command(args);
        command
            .env("KIEL_HOME", self.home.path())
            .env("GIT_PASSWORD", "s3cret-token");
        command
    }

    fn kiel(&self, args: &[&str]) -> Run {
        Run::of(&self.command(args).output().expect("kiel runs"))
    }

    #[track_caller]
    fn prints(&self, args: &[&str], want: &str) {
        assert_eq!(self.kiel(args).expect_code(0).stdout, want);
    }

    fn update(&self) {
        self.kiel(&["includes", "update"]).expect_code(0);
        self.project.commit(&[]);
    }
}

fn over_http(server: &GitServer, reference: &str) -> String {
    format!(
        "- git: {}\n  {reference}\n  add: /common\n  to: /\n  basicAuth: {{username: me, password: {{env: GIT_PASSWORD}}}}\n",
        server.url("")
    )
}

fn rendered(word: &str) -> String {
    format!("{META}---\nimage: app\ndockerfile: Dockerfile\n# {word}\n")
}

const RENDER: [&str; 2] = ["config", "render"];

#[test]
fn a_branch_is_locked_fetched_once_and_read_without_a_network() {
    let library = Library::new();
    let server = library.serve();
    let user = User::including(&over_http(&server, "branch: main"));
    user.kiel(&RENDER)
        .expect_code(1)
        .expect_stderr(&["werf-includes.lock", "kiel includes update"]);
    assert_eq!(server.take_requests(), [""; 0], "without a lock nothing is asked");
    user.kiel(&["includes", "update"]).expect_code(0);
    assert_eq!(server.take_requests(), ["GET info/refs", "POST ls-refs"]);
    let lock = fs_err::read_to_string(user.project.path().join("werf-includes.lock")).expect("it is written");
    let want = format!(
        "includes:\n    - git: {}\n      branch: main\n      commit: {}\n",
        server.url(""),
        library.second
    );
    assert_eq!(lock, want);
    user.kiel(&RENDER)
        .expect_code(1)
        .expect_stderr(&["the untracked file \"werf-includes.lock\" must be committed"]);
    user.project.commit(&[]);
    user.prints(&RENDER, &rendered("two"));
    assert_eq!(server.take_requests(), ["GET info/refs", "POST fetch"]);
    user.prints(&RENDER, &rendered("two"));
    assert_eq!(server.take_requests(), [""; 0], "what is cached is not asked for");
    library.project.commit(&[("common/conf/a.txt", "three")]);
    user.prints(&RENDER, &rendered("two"));
    drop(server);
    user.prints(&RENDER, &rendered("two"));
    user.kiel(&["includes", "update"])
        .expect_code(1)
        .expect_stderr(&["werf-includes.yaml:2", "cannot reach the Git repository"]);
}

#[test]
fn tags_commits_and_later_commits_of_a_branch() {
    let library = Library::new();
    let server = library.serve();
    let user = User::including(&over_http(&server, "tag: v1"));
    user.update();
    let lock = fs_err::read_to_string(user.project.path().join("werf-includes.lock")).expect("it is written");
    assert!(
        lock.contains(&format!("tag: v1\n      commit: {}", library.first)),
        "{lock}"
    );
    user.prints(&RENDER, &rendered("one"));
    server.take_requests();
    // A commit is its own lock, and what is here already is told to the server.
    let by_commit = over_http(&server, &format!("commit: {}", library.second));
    user.project
        .commit(&[("werf-includes.yaml", &format!("includes:\n{by_commit}"))]);
    user.prints(&RENDER, &rendered("two"));
    assert_eq!(server.take_requests(), ["GET info/refs", "POST fetch"]);
    let short = over_http(&server, &format!("commit: {}", &library.second[..10]));
    user.project
        .commit(&[("werf-includes.yaml", &format!("includes:\n{short}"))]);
    user.kiel(&["includes", "update"])
        .expect_code(1)
        .expect_stderr(&["write its whole id"]);
    let unknown = over_http(&server, "commit: 1111111111111111111111111111111111111111");
    user.project
        .commit(&[("werf-includes.yaml", &format!("includes:\n{unknown}"))]);
    user.kiel(&RENDER)
        .expect_code(1)
        .expect_stderr(&["werf-includes.yaml:2", "not our ref"]);
    for reference in ["branch: nope", "tag: main", "branch: ../../HEAD"] {
        user.project.commit(&[(
            "werf-includes.yaml",
            &format!("includes:\n{}", over_http(&server, reference)),
        )]);
        user.kiel(&["includes", "update"])
            .expect_code(1)
            .expect_stderr(&["reference not found"]);
    }
}

#[test]
fn concurrent_and_killed_runs_share_one_fetch() {
    let library = Library::new();
    let server = library.serve();
    let user = User::including(&over_http(&server, "branch: main"));
    user.update();
    server.take_requests();
    let runs: Vec<_> = (0..4)
        .map(|_| {
            let mut command = user.command(&RENDER);
            command
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::piped());
            command.spawn().expect("kiel runs")
        })
        .collect();
    for run in runs {
        let run = Run::of(&run.wait_with_output().expect("it ends")).expect_code(0);
        assert_eq!(run.stdout, rendered("two"));
    }
    let fetches = server
        .take_requests()
        .iter()
        .filter(|what| *what == "POST fetch")
        .count();
    assert_eq!(fetches, 1);
    // As a run leaves it that was killed before the end of its fetch.
    let git = user.home.path().join("git");
    let entries = fs_err::read_dir(&git).expect("the cache is there").flatten();
    let cache = entries
        .map(|entry| entry.path())
        .find(|path| path.is_dir())
        .expect("a repository");
    fs_err::remove_file(cache.join("refs/kiel").join(&library.second)).expect("the mark is there");
    let left = cache.join("objects/pack/.tmpXYZ");
    fs_err::write(&left, "half a pack").expect("it can be written");
    user.prints(&RENDER, &rendered("two"));
    assert_eq!(server.take_requests(), ["GET info/refs", "POST fetch"]);
    assert!(!left.exists());
    let check = std::process::Command::new("git")
        .args(["fsck", "--strict"])
        .current_dir(&cache)
        .output()
        .expect("git runs");
    assert!(
        check.status.success(),
        "{}",
        String::from_utf8_lossy(&check.stderr)
    );
}

#[test]
fn credentials_are_asked_for_and_never_told() {
    let library = Library::new();
    let server = library.serve();
    let without = format!("- git: {}\n  branch: main\n  add: /\n  to: /\n", server.url(""));
    User::including(&without)
        .kiel(&["includes", "update"])
        .expect_code(1)
        .expect_stderr(&["asks for credentials; add `basicAuth`"]);
    let wrong = format!(
        "- git: http://me:wr0ng-token@{}/\n  branch: main\n  add: /\n  to: /\n",
        server.address
    );
    let run = User::including(&wrong)
        .kiel(&["includes", "update", "--log-verbose"])
        .expect_code(1)
        .expect_stderr(&["does not take the given user and password"]);
    assert!(!run.stderr.contains("wr0ng-token"), "{}", run.stderr);
    // Nor where a line is shown that holds them.
    let mistaken = wrong
        .replace("branch: main", "branch: [main]")
        .replace("\n  ", ", ")
        .replacen("- ", "- {", 1);
    let mistaken = mistaken.trim_end().to_owned() + "}\n";
    let image = format!(
        "image: a\nfrom: b\ngit: [{{url: http://me:wr0ng-token@{}/, to: a}}]\n",
        server.address
    );
    for files in [
        [
            ("werf.yaml", CONFIG.to_owned()),
            ("werf-includes.yaml", format!("includes:\n{mistaken}")),
        ],
        [
            ("werf.yaml", format!("{META}---\n{image}")),
            ("none", String::new()),
        ],
    ] {
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        let run = User::new(&files)
            .kiel(&RENDER)
            .expect_code(1)
            .expect_stderr(&["http://me:***@"]);
        assert!(!run.stderr.contains("wr0ng-token"), "{}", run.stderr);
    }
    let right = wrong.replace("wr0ng", "s3cret");
    let user = User::including(&right);
    user.kiel(&["includes", "update"]).expect_code(0);
    let unset = over_http(&server, "branch: main").replace("GIT_PASSWORD", "NO_SUCH_VARIABLE");
    User::including(&unset)
        .kiel(&["includes", "update"])
        .expect_code(1)
        .expect_stderr(&["the variable NO_SUCH_VARIABLE is not set"]);
    // Another host that the server leads to does not get them.
    let behind = GitServer::start(library.project.path(), None);
    let to = format!(
        "{}/info/refs?service=git-upload-pack",
        behind.url("").trim_end_matches('/')
    );
    let leading = GitServer::answering(library.project.path(), None, move |_| {
        let answer = Response::builder().status(302).header("location", &to);
        Some(answer.body(Full::default()).expect("it is sound"))
    });
    User::including(&over_http(&leading, "branch: main"))
        .kiel(&["includes", "update"])
        .expect_code(0);
    let seen = behind.take_seen();
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().all(|seen| seen.authorization.is_none()), "{seen:?}");
}

#[test]
fn a_hostile_server_gains_nothing() {
    let library = Library::new();
    // A tree that leads out, as no git would make it.
    let blob = library.project.git(&["rev-parse", "HEAD:other/x.txt"]);
    let entry: Vec<u8> = (0..blob.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&blob[at..at + 2], 16).expect("hex"))
        .collect();
    let mut id = String::new();
    for name in ["..", "x"] {
        let mut tree = format!("40000 {name}\0").into_bytes();
        if id.is_empty() {
            let inner = [b"100644 evil\0".as_slice(), &entry].concat();
            id = hash_tree(&library.project, &inner);
        }
        let bytes = (0..id.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&id[at..at + 2], 16).expect("hex"));
        tree.extend(bytes);
        id = hash_tree(&library.project, &tree);
    }
    let commit = library.project.git(&["commit-tree", &id, "-m", "evil"]);
    library.project.git(&["branch", "evil", &commit]);
    let server = library.serve();
    let user = User::including(&over_http(&server, &format!("commit: {commit}")));
    user.kiel(&RENDER)
        .expect_code(1)
        .expect_stderr(&["has an entry `..`, which is no file's name"]);
    user.kiel(&RENDER)
        .expect_code(1)
        .expect_stderr(&["which is no file's name"]);
    for (body, want) in [
        ("<html>log in</html>", "does not speak Git's protocol"),
        (
            "001e# service=git-upload-pack\n0000000eversion 1\n0000",
            "does not speak a version",
        ),
        ("0013ERR no \u{1b}[31mway", "the server says: no [31mway"),
        ("ffffversion 2", "does not speak Git's protocol"),
        (
            "000eversion 2\n0012agent=git/2.5\n",
            "failed to fill whole buffer",
        ),
    ] {
        let server = GitServer::answering(library.project.path(), None, move |_| {
            Some(Response::new(Full::new(Bytes::from_static(body.as_bytes()))))
        });
        let user = User::including(&over_http(&server, "branch: main"));
        user.kiel(&["includes", "update"])
            .expect_code(1)
            .expect_stderr(&[want]);
    }
}

fn hash_tree(project: &Project, content: &[u8]) -> String {
    project.write("tree", "");
    fs_err::write(project.path().join("tree"), content).expect("it can be written");
    project.git(&["hash-object", "-t", "tree", "--literally", "-w", "tree"])
}

/// `ssh` itself is not what is tested: this one runs what it is given, as the other machine's would.
#[test]
fn by_ssh() {
    use std::os::unix::fs::PermissionsExt;
    let library = Library::new();
    let bin = tempfile::tempdir().expect("a temporary folder can be made");
    let ssh = bin.path().join("ssh");
    let script = "#!/bin/sh\nprintf '%s\\n' \"$*\" >> \"$(dirname \"$0\")/calls\"\nfor last; do :; done\nexec sh -c \"$last\"\n";
    fs_err::write(&ssh, script).expect("it can be written");
    fs_err::set_permissions(&ssh, PermissionsExt::from_mode(0o755)).expect("it can be made a program");
    let path = library.project.path().display().to_string();
    let user = User::including(&format!(
        "- git: ssh://git@git.example.org:2222{path}\n  branch: main\n  add: /common\n  to: /\n"
    ));
    let search = harness::search_path(bin.path());
    let run = |args: &[&str]| {
        let output = user
            .command(args)
            .env("PATH", &search)
            .env("WERF_SSH_KEY_1", "/keys/one")
            .output();
        Run::of(&output.expect("kiel runs"))
    };
    run(&["includes", "update"]).expect_code(0);
    user.project.commit(&[]);
    for _ in 0..2 {
        let run = run(&["config", "render", "--ssh-key", "/keys/two"]).expect_code(0);
        assert_eq!(run.stdout, rendered("two"));
    }
    let calls = fs_err::read_to_string(bin.path().join("calls")).expect("it was called");
    let calls: Vec<&str> = calls.lines().collect();
    assert_eq!(calls.len(), 2, "one for the update, one for the fetch");
    let want = format!("-p 2222 -- git@git.example.org git-upload-pack '{path}'");
    assert!(calls.iter().all(|call| call.ends_with(&want)), "{calls:?}");
    assert!(
        calls[1].contains("-i /keys/one") && calls[1].contains("-i /keys/two"),
        "{calls:?}"
    );
    // Most servers pass no variables on, so the other side speaks the old protocol.
    fs_err::write(&ssh, script.replace("exec sh", "exec env -u GIT_PROTOCOL sh")).expect("it can be written");
    let other = User::including(&format!(
        "- git: git@git.example.org:{path}\n  commit: {}\n  add: /common\n  to: /\n",
        library.first
    ));
    let output = other.command(&RENDER).env("PATH", &search).output();
    let rendered_old = Run::of(&output.expect("kiel runs")).expect_code(0);
    assert_eq!(rendered_old.stdout, rendered("one"));
    let broken = User::including("- git: nobody@git.example.org:x\n  branch: main\n  add: /\n  to: /\n");
    fs_err::write(
        &ssh,
        "#!/bin/sh\necho 'Permission denied (publickey).' >&2\nexit 255\n",
    )
    .expect("it can be written");
    let output = broken
        .command(&["includes", "update"])
        .env("PATH", &search)
        .output();
    Run::of(&output.expect("kiel runs"))
        .expect_code(1)
        .expect_stderr(&["Permission denied (publickey)."]);
}

const RENDER_CHART: [&str; 3] = ["render", "--repo", "registry.example.org/app"];

/// A server that says nothing, and one behind `ssh`: a signal ends the run.
#[test]
fn a_signal_ends_a_fetch() {
    use std::io::Read as _;
    use std::os::unix::fs::PermissionsExt;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it has an address");
    let bin = tempfile::tempdir().expect("a temporary folder can be made");
    let ssh = bin.path().join("ssh");
    // Tells where kiel is by a connection, as a request does.
    let script = format!(
        "#!/bin/bash\nexec 3<>/dev/tcp/127.0.0.1/{}\necho x >&3\nexec sleep 1000\n",
        address.port()
    );
    fs_err::write(&ssh, script).expect("it can be written");
    fs_err::set_permissions(&ssh, PermissionsExt::from_mode(0o755)).expect("it can be made a program");
    for url in [format!("http://{address}/x"), "git@git.example.org:x".to_owned()] {
        let user = User::including(&format!("- {{git: '{url}', branch: main, add: /, to: /}}\n"));
        let mut command = user.command(&["includes", "update"]);
        command
            .env("PATH", harness::search_path(bin.path()))
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        let child = command.spawn().expect("kiel runs");
        let (mut stream, _) = listener.accept().expect("it is reached");
        stream.read_exact(&mut [0]).expect("it is asked");
        let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).expect("a small number"));
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("it runs");
        let run = Run::of(&child.wait_with_output().expect("it ends")).expect_code(143);
        assert!(run.stderr.contains("interrupted"), "{}", run.stderr);
    }
}

#[test]
fn by_https() {
    let library = Library::new();
    let authority = authority::Authority::new().expect("openssl makes one");
    let server = GitServer::behind_tls(library.project.path(), Some("me:s3cret-token"), &authority);
    let user = User::including(&over_http(&server, "branch: main"));
    let run = |trust: &std::path::Path| {
        let output = user
            .command(&["includes", "update"])
            .env("SSL_CERT_FILE", trust)
            .output();
        Run::of(&output.expect("kiel runs"))
    };
    run(&authority.certificate())
        .expect_code(1)
        .expect_stderr(&["werf-includes.yaml:2", "certificate"]);
    assert_eq!(
        server.take_requests(),
        [""; 0],
        "nobody gets credentials who is not trusted"
    );
    run(&authority.ca()).expect_code(0);
    user.project.commit(&[]);
    let output = user
        .command(&RENDER)
        .env("SSL_CERT_FILE", authority.ca())
        .output();
    let run = Run::of(&output.expect("kiel runs")).expect_code(0);
    assert_eq!(run.stdout, rendered("two"));
}

#[test]
fn servers_that_speak_the_old_protocol() {
    let library = Library::new();
    let server = library.serve();
    server.become_old();
    let user = User::including(&over_http(&server, "tag: v1"));
    user.update();
    assert_eq!(server.take_requests(), ["GET info/refs"]);
    user.prints(&RENDER, &rendered("one"));
    assert_eq!(server.take_requests(), ["GET info/refs", "POST fetch"]);
    let branch = format!("includes:\n{}", over_http(&server, "branch: main"));
    user.project.commit(&[("werf-includes.yaml", &branch)]);
    user.update();
    user.prints(&RENDER, &rendered("two"));
    // No reference is at this commit: the server gives it with all that it has.
    library.project.git(&["tag", "-d", "v1"]);
    let other = User::including(&over_http(&server, &format!("commit: {}", library.first)));
    other.prints(&RENDER, &rendered("one"));
    library
        .project
        .git(&["config", "uploadpack.allowReachableSHA1InWant", "true"]);
    let other = User::including(&over_http(&server, &format!("commit: {}", library.first)));
    other.prints(&RENDER, &rendered("one"));
    let unknown = User::including(&over_http(
        &server,
        "commit: 1111111111111111111111111111111111111111",
    ));
    unknown
        .kiel(&RENDER)
        .expect_code(1)
        .expect_stderr(&["werf-includes.yaml:2", "cannot get the commit"]);
}
