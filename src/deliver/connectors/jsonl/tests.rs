//! Lines as a reader finds them: after faults, rotation and restarts.
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use larm_event::Event;

use super::*;

fn context() -> Context {
    Context {
        name: "archive".into(),
        node: "test".into(),
        link: crate::deliver::Link::default(),
        directory: std::path::PathBuf::new(),
    }
}

fn batch(numbers: std::ops::Range<u64>) -> Vec<Delivery> {
    numbers
        .map(|position| Delivery {
            position,
            event: Arc::new(Event::draft("dc09/SIA-DCS".to_owned())),
            json: format!("{{\"position\":{position}}}").into(),
            tries: 0,
        })
        .collect()
}

fn to_file(path: &Path) -> Jsonl {
    Jsonl {
        path: path.to_owned(),
        ..Jsonl::default()
    }
}

fn to_command(script: &str, confirm: bool) -> JsonLines {
    let settings = Jsonl {
        to: Target::Command,
        command: ["sh", "-c", script].map(str::to_owned).to_vec(),
        confirm,
        write_timeout: Duration::from_secs(20),
        ..Jsonl::default()
    };
    JsonLines::build(&settings, context()).unwrap()
}

async fn delivered_all(lines: &JsonLines, numbers: std::ops::Range<u64>) {
    let batch = batch(numbers);
    let verdicts = lines.deliver(&batch).await;
    assert_eq!(verdicts, vec![Verdict::Delivered; batch.len()]);
}

/// The positions in all files of the directory, oldest file first.
fn positions(folder: &Path) -> Vec<u64> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    // The file that is being written has the shorter name, which sorts behind the dated ones.
    names.sort();
    let mut found = Vec::new();
    for name in names {
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'));
        for line in text.lines() {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            found.push(value["position"].as_u64().unwrap());
        }
    }
    found
}

#[tokio::test]
async fn a_file_grows_line_by_line_and_rotates() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Jsonl {
        rotate_size: 4096,
        keep_files: 0,
        ..to_file(&folder.path().join("events.jsonl"))
    };
    let lines = JsonLines::build(&settings, context()).unwrap();
    for start in (0..1_000).step_by(50) {
        delivered_all(&lines, start..start + 50).await;
    }
    let files = std::fs::read_dir(folder.path()).unwrap().count();
    assert!(files > 3, "{files} files");
    assert_eq!(positions(folder.path()), (0..1_000).collect::<Vec<_>>());
    let file = std::fs::metadata(&settings.path).unwrap();
    assert_eq!(file.permissions().mode() & 0o007, 0);
}

#[tokio::test]
async fn only_so_many_old_files_stay_and_no_other_goes() {
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("events.mine.jsonl");
    std::fs::write(&other, "").unwrap();
    let settings = Jsonl {
        rotate_size: 4096,
        keep_files: 2,
        ..to_file(&folder.path().join("events.jsonl"))
    };
    let lines = JsonLines::build(&settings, context()).unwrap();
    for start in (0..2_000).step_by(200) {
        delivered_all(&lines, start..start + 200).await;
    }
    assert!(other.exists());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 4);
    // The newest lines are there, without a gap.
    let found = positions(folder.path());
    assert_eq!(found, (found[0]..2_000).collect::<Vec<_>>());
    assert!(found[0] > 0);
}

#[tokio::test]
async fn a_line_without_its_end_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    for torn in ["", "{\"posi", "{\"position\":0}\n{\"posi"] {
        std::fs::write(&path, torn).unwrap();
        let lines = JsonLines::build(&to_file(&path), context()).unwrap();
        delivered_all(&lines, 1..3).await;
        let from = u64::from(!torn.contains('\n'));
        assert_eq!(positions(folder.path()), (from..3).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_file_that_was_moved_away_is_begun_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let lines = JsonLines::build(&to_file(&path), context()).unwrap();
    delivered_all(&lines, 0..2).await;
    std::fs::rename(&path, folder.path().join("a-old")).unwrap();
    delivered_all(&lines, 2..4).await;
    assert_eq!(positions(folder.path()), [0, 1, 2, 3]);
    // Cut by somebody else: what follows stands where the file ends now.
    std::fs::write(&path, "").unwrap();
    delivered_all(&lines, 4..5).await;
    assert_eq!(positions(folder.path()), [0, 1, 4]);
}

#[tokio::test]
async fn two_writers_do_not_share_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let one = JsonLines::build(&to_file(&path), context()).unwrap();
    let two = JsonLines::build(&to_file(&path), context()).unwrap();
    delivered_all(&one, 0..1).await;
    let verdicts = two.deliver(&batch(1..2)).await;
    let Verdict::Retry { why, .. } = &verdicts[0] else {
        panic!("{verdicts:?}");
    };
    assert!(why.contains("another program"), "{why}");
}

#[tokio::test]
async fn a_command_gets_every_line_and_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let lines = to_command(&format!("cat > '{}'", out.display()), false);
    delivered_all(&lines, 0..1_000).await;
    delivered_all(&lines, 1_000..1_001).await;
    lines.close().await;
    assert_eq!(positions(folder.path()), (0..1_001).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_command_that_ends_is_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    // Answers one line, then ends: the second of two is not confirmed.
    let script = format!("read -r l; echo \"$l\" >> '{}'; echo ok", out.display());
    let lines = to_command(&script, true);
    for position in 0..5 {
        let one = batch(position..position + 1);
        // At most every second try finds a command that has ended.
        let mut verdict = lines.deliver(&one).await;
        if verdict != [Verdict::Delivered] {
            verdict = lines.deliver(&one).await;
        }
        assert_eq!(verdict, [Verdict::Delivered]);
    }
    assert_eq!(positions(folder.path()), [0, 1, 2, 3, 4]);
    let both = lines.deliver(&batch(5..7)).await;
    assert!(both.iter().all(|one| matches!(one, Verdict::Retry { .. })));
}

#[tokio::test]
async fn a_command_decides_for_each_line() {
    let lines = to_command(
        "read a; echo ok; read b; echo refuse no such door; read c; echo retry; cat",
        true,
    );
    let verdicts = lines.deliver(&batch(0..3)).await;
    let retry = Verdict::Retry {
        after: None,
        why: String::new(),
    };
    let refused = Verdict::Refused {
        why: "no such door".to_owned(),
    };
    assert_eq!(verdicts, [Verdict::Delivered, refused, retry]);
}

#[tokio::test]
async fn a_command_that_is_not_there_is_tried_again() {
    let settings = Jsonl {
        to: Target::Command,
        command: vec!["/nowhere/at-all".to_owned()],
        ..Jsonl::default()
    };
    let lines = JsonLines::build(&settings, context()).unwrap();
    for _ in 0..2 {
        let verdicts = lines.deliver(&batch(0..1)).await;
        assert!(matches!(&verdicts[0], Verdict::Retry { why, .. } if why.contains("started")));
    }
}

#[test]
fn each_target_has_its_own_keys() {
    let refused = |settings: Jsonl| {
        let error = JsonLines::build(&settings, context()).unwrap_err();
        error.key
    };
    let base = Jsonl::default;
    let command = vec!["true".to_owned()];
    assert_eq!(refused(base()), "path");
    assert_eq!(refused(to_file(Path::new("/"))), "path");
    let (to, path) = (Target::Stdout, "x".into());
    assert_eq!(refused(Jsonl { to, path, ..base() }), "path");
    let confirm = true;
    assert_eq!(
        refused(Jsonl {
            to,
            confirm,
            ..base()
        }),
        "confirm"
    );
    assert_eq!(
        refused(Jsonl {
            to,
            command,
            ..base()
        }),
        "command"
    );
    let to = Target::Command;
    assert_eq!(refused(Jsonl { to, ..base() }), "command");
}
