use super::*;

fn read_with(
    content: &str,
    target: Option<&str>,
    args: &[(&str, &str)],
) -> Result<Dockerfile, DockerfileError> {
    let args = args
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let platform = "linux/arm64".parse().expect("a platform");
    Dockerfile::read(content.as_bytes(), target, &args, &platform)
}

fn read(content: &str) -> Dockerfile {
    read_with(content, None, &[]).expect("readable")
}

fn reachable(content: &str, target: Option<&str>) -> Vec<usize> {
    read_with(content, target, &[])
        .expect("readable")
        .stages
        .iter()
        .map(|stage| stage.index)
        .collect()
}

/// The sources, `*` for the whole context.
fn sources(content: &str) -> Vec<String> {
    match read(content).sources {
        Sources::Whole => vec!["*".into()],
        Sources::Paths(paths) => paths.iter().map(|path| path.join("/")).collect(),
    }
}

#[test]
fn only_stages_that_the_target_needs_are_reachable() {
    let content = "FROM a AS Base\nFROM base AS build\nFROM b AS other\nFROM c\nCOPY --from=Build /x /x\nFROM d AS last\nRUN --mount=type=cache,from=other,target=/x ls\nCOPY --from=3 /y /y\nCOPY --from=nginx /z /z";
    assert_eq!(reachable(content, None), [0, 1, 2, 3, 4]);
    assert_eq!(reachable(content, Some("BUILD")), [0, 1]);
    assert_eq!(reachable(content, Some("3")), [0, 1, 3]);
    assert_eq!(
        reachable("FROM a\nFROM b\nFROM c\nARG X\nCOPY --from=$X / /", None),
        [0, 1, 2]
    );
    assert_eq!(
        read_with(content, Some("nope"), &[]),
        Err(DockerfileError::Target {
            target: "nope".into(),
            stages: "base, build, other, 3, last".into()
        })
    );
}

#[test]
fn a_base_is_wanted_for_the_platform_of_its_stage() {
    let content = "FROM --platform=$BUILDPLATFORM golang AS build\nFROM --platform=linux/arm/v7 debian AS old\n\
                   FROM alpine\nCOPY --from=build /x /\nCOPY --from=old /y /";
    let read = read(content);
    let old = BasePlatform::Fixed("linux/arm/v7".parse().expect("a platform"));
    let want = [
        ("alpine", &BasePlatform::Target),
        ("debian", &old),
        ("golang", &BasePlatform::Engine),
    ];
    assert_eq!(read.bases().into_iter().collect::<Vec<_>>(), want);
    // A key holds what is built for, on whatever machine.
    assert_eq!(read.stages[0].from, "FROM --platform=linux/arm64 golang AS build");
}

#[test]
fn arguments_resolve_in_from() {
    let content = "ARG TAG=1\nARG IMAGE=alpine:$TAG\nFROM --platform=$TARGETPLATFORM ${IMAGE} AS x";
    assert_eq!(
        read(content).stages[0].from,
        "FROM --platform=linux/arm64 alpine:1 AS x"
    );
    let other = read_with(content, None, &[("TAG", "2")]).expect("readable");
    let target = BasePlatform::Fixed("linux/arm64".parse().expect("a platform"));
    assert_eq!(
        other.bases().into_iter().collect::<Vec<_>>(),
        [("alpine:2", &target)]
    );
    assert_eq!(read("FROM ${X:-alpine}:3").stages[0].from, "FROM alpine:3");
    assert!(matches!(
        read_with("ARG X\nFROM $X", None, &[]),
        Err(DockerfileError::Base { line: 2, .. })
    ));
}

#[test]
fn files_that_count() {
    assert_eq!(
        sources("FROM a\nCOPY --chown=1:1 a b/ /dest/\nADD [\"c d\", \"/x\"]"),
        ["a", "b", "c d"]
    );
    assert_eq!(
        sources("FROM a\nARG V=1\nENV W=$V\nCOPY $V ${W}/x /d"),
        ["1", "1/x"]
    );
    assert_eq!(
        sources("FROM a\nCOPY $HOME /d"),
        ["*"],
        "a variable of the base image"
    );
    assert_eq!(sources("FROM a\nCOPY --parents x/y /d"), ["*"]);
    assert_eq!(sources("FROM a\nCOPY . /d"), ["*"]);
    assert_eq!(
        sources("FROM a\nADD https://x/y git@h:r /d\nCOPY <<EOF /f\nhi\nEOF\nCOPY --from=b /x /x"),
        Vec::<String>::new()
    );
    assert_eq!(
        sources("FROM a AS b\nCOPY x /\nFROM c AS d\nCOPY y /\nFROM b"),
        ["x"],
        "only reachable stages"
    );
    assert_eq!(sources("FROM a AS b\nONBUILD COPY x /\nFROM b"), ["x"]);
}

#[test]
fn bind_mounts_count() {
    assert_eq!(
        sources(
            "FROM a\nRUN --mount=type=bind,source=uv.lock,target=uv.lock --mount=type=secret,id=x cat uv.lock"
        ),
        ["uv.lock"]
    );
    assert_eq!(sources("FROM a\nRUN --mount=target=/src ls"), ["*"]);
    assert_eq!(sources("FROM a\nRUN --mount=src=$X,target=/src ls"), ["*"]);
    assert_eq!(
        sources("FROM a\nRUN --mount=type=tmpfs,target=/t --mount=from=b,source=x,target=/t ls"),
        Vec::<String>::new()
    );
}

#[test]
fn declared_arguments_are_those_of_what_is_reachable() {
    let content = "ARG G\nFROM a AS x\nARG X=1 Y\nFROM b\nARG Z";
    assert_eq!(read(content).declared.into_iter().collect::<Vec<_>>(), ["G", "Z"]);
}

#[test]
fn mistakes_are_told_with_their_line() {
    assert_eq!(read_with("# nothing\n", None, &[]), Err(DockerfileError::NoFrom));
    assert_eq!(
        read_with("ARG A\nRUN x\nFROM a", None, &[]),
        Err(DockerfileError::BeforeFrom {
            line: 2,
            keyword: "RUN".into()
        })
    );
    assert!(matches!(
        read_with("FROM a\nRUN <<E\nx", None, &[]),
        Err(DockerfileError::Heredoc { line: 2, .. })
    ));
}
