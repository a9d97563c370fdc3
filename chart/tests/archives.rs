//! Archives and indexes made to harm whoever reads them end in an error, with little memory and work.

#![cfg(target_os = "linux")]

#[path = "support/memory.rs"]
mod memory;

use std::io::Write as _;

use anyhow::Result;
use memory::peak_memory;

/// One entry of an archive, with a size that may be a lie.
fn entry(path: &str, kind: u8, said: u64, data: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    let name = &path.as_bytes()[..path.len().min(100)];
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_entry_type(tar::EntryType::new(kind));
    header.set_size(said);
    header.set_mode(0o644);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend_from_slice(data);
    bytes.resize(bytes.len().div_ceil(512) * 512, 0);
    bytes
}

fn zipped(parts: &[Vec<u8>]) -> Result<Vec<u8>> {
    let mut zipper = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    for part in parts {
        zipper.write_all(part)?;
    }
    Ok(zipper.finish()?)
}

#[test]
fn archives_that_lie_or_burst_are_refused() -> Result<()> {
    const CHART: &[u8] = b"apiVersion: v2\nname: c\nversion: 1.0.0\n";
    let chart = || entry("c/Chart.yaml", b'0', CHART.len() as u64, CHART);
    let end = || vec![0; 1024];
    let large = vec![b'x'; 6 << 20];
    let good = zipped(&[chart(), end()])?;
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        (
            "a file that is too large",
            zipped(&[chart(), entry("c/v", b'0', 6 << 20, &large), end()])?,
            "is larger than the maximum file size 5242880",
        ),
        (
            "a size of 8 EiB",
            zipped(&[chart(), entry("c/v", b'0', u64::MAX >> 1, b"x"), end()])?,
            "larger than the maximum file size",
        ),
        (
            "more than there is",
            zipped(&[chart(), entry("c/v", b'0', 4 << 20, b"x")])?,
            "unexpected EOF",
        ),
        (
            "a name of 60 MB",
            zipped(&[
                chart(),
                entry("././@LongLink", b'L', 60 << 20, &vec![b'n'; 60 << 20]),
                entry("c/v", b'0', 1, b"x"),
                end(),
            ])?,
            "longer than",
        ),
        (
            "a head of 60 MB",
            zipped(&[
                chart(),
                entry("x", b'x', 60 << 20, &vec![b'n'; 60 << 20]),
                entry("c/v", b'0', 1, b"x"),
                end(),
            ])?,
            "longer than",
        ),
        ("no end", good[..good.len() / 2].to_vec(), "unexpected EOF"),
        (
            "no archive",
            b"<!doctype html><html></html>".to_vec(),
            "gzip: invalid header",
        ),
        ("nothing", Vec::new(), "unexpected EOF"),
        ("no files", zipped(&[end()])?, "no files in chart archive"),
        (
            "a chart without a folder",
            zipped(&[entry("Chart.yaml", b'0', CHART.len() as u64, CHART), end()])?,
            "chart yaml not in base directory",
        ),
        (
            "no chart",
            zipped(&[entry("c/x", b'0', 1, b"x"), end()])?,
            "Chart.yaml file is missing",
        ),
    ];
    for (what, data, want) in cases {
        let started = std::time::Instant::now();
        let error = match kiel_chart::load_archive(&data) {
            Ok(_) => anyhow::bail!("{what}: it is a chart"),
            Err(error) => error.to_string(),
        };
        assert!(error.contains(want), "{what}: {error}");
        assert!(
            started.elapsed().as_secs() < 10,
            "{what}: {:?}",
            started.elapsed()
        );
    }
    // Two streams in one file are one, and what stands behind an archive is not read.
    let more = [good.clone(), zipped(&[entry("c/x", b'0', 1, b"x"), end()])?].concat();
    assert_eq!(kiel_chart::load_archive(&more)?.files.len(), 0);
    Ok(())
}

#[test]
fn a_million_entries_end() -> Result<()> {
    const CHART: &[u8] = b"apiVersion: v2\nname: c\nversion: 1.0.0\n";
    let mut zipper = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    zipper.write_all(&entry("c/Chart.yaml", b'0', CHART.len() as u64, CHART))?;
    let many: Vec<u8> = (0..1000).flat_map(|_| entry("c/x", b'0', 0, b"")).collect();
    for _ in 0..1000 {
        zipper.write_all(&many)?;
    }
    let error = kiel_chart::load_archive(&zipper.finish()?)
        .err()
        .map(|error| error.to_string());
    assert!(
        error.as_ref().is_some_and(|error| error.contains("entries")),
        "{error:?}"
    );
    Ok(())
}

#[test]
fn bursting_takes_little_memory() -> Result<()> {
    // 1 GB of line breaks, packed piece by piece.
    let mut zipper = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    zipper.write_all(&entry("c/values.yaml", b'0', 1 << 30, b""))?;
    let piece = vec![b'\n'; 1 << 20];
    for _ in 0..1024 {
        zipper.write_all(&piece)?;
    }
    let archive = zipper.finish()?;
    let before = peak_memory()?;
    let started = std::time::Instant::now();
    let error = kiel_chart::load_archive(&archive)
        .err()
        .map(|error| error.to_string());
    assert!(
        error.as_ref().is_some_and(|error| error.contains("larger than")),
        "{error:?}"
    );
    assert!(started.elapsed().as_secs() < 1, "{:?}", started.elapsed());
    // Other tests of this program run beside it.
    let grown = peak_memory()? - before;
    assert!(grown < 256 * 1024, "{grown} KiB");
    Ok(())
}

#[test]
fn large_indexes_are_read_in_part() -> Result<()> {
    let mut text = String::from("apiVersion: v1\nentries:\n");
    for chart in 0..300 {
        text.push_str(&format!("  chart-{chart}:\n"));
        for version in 0..400 {
            text.push_str(&format!(
                "  - apiVersion: v2\n    created: \"2024-01-02T03:04:05.678901234Z\"\n    description: a chart like many others, with a sentence on what it is good for\n    digest: {version:064x}\n    keywords:\n    - one\n    - two\n    name: chart-{chart}\n    urls:\n    - https://example.com/charts/chart-{chart}-1.{version}.0.tgz\n    version: 1.{version}.0\n"
            ));
        }
    }
    text.push_str("generated: \"2024-01-02T03:04:05Z\"\n");
    assert!(text.len() > 32 << 20, "{}", text.len());
    let index = kiel_chart::Index::parse_charts(text.as_bytes(), "here", &["chart-7", "chart-299"])?;
    assert_eq!(index.entries.len(), 2);
    assert_eq!(index.get("chart-299", "")?.metadata.version, "1.399.0");
    let (names, _) = kiel_chart::Index::chart_names(text.as_bytes(), "here")?;
    assert_eq!(names.len(), 300);
    // What cannot be read in parts has a smaller limit.
    let odd = text.replace("entries:", "entries: # of charts");
    let whole = kiel_chart::Index::parse(odd.as_bytes(), "here")
        .err()
        .map(|error| error.to_string());
    assert!(
        whole.as_ref().is_some_and(|error| error.contains("limit")),
        "{whole:?}"
    );
    Ok(())
}
