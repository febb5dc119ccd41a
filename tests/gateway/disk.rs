//! Real disks that fail: full, and without power. Needs root for its own file systems; without
//! root these tests say so on stderr and prove nothing.
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::frame::{read_reply, sia};
use crate::harness::{Gateway, Random, SMALL_JOURNAL, config, exported, verify};

/// A file system of the test's own, unmounted when dropped.
struct Mount {
    at: PathBuf,
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.at).output();
    }
}

fn run(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .output()
        .is_ok_and(|output| output.status.success())
}

/// Mounts, or says why this cannot be proved here.
fn mount(arguments: &[&str], at: &Path) -> Option<Mount> {
    std::fs::create_dir_all(at).unwrap();
    let mut all = arguments.to_vec();
    all.push(at.to_str().unwrap());
    if rustix::process::geteuid().is_root() && run("mount", &all) {
        return Some(Mount { at: at.to_owned() });
    }
    let _ = writeln!(
        std::io::stderr(),
        "NOT PROVED HERE: this test mounts a file system, which takes root (mount {all:?})"
    );
    None
}

/// On a full disk nothing is answered, neither ACK nor DUH; when there is room again, the gateway
/// goes on or has ended with a reason, and nothing acknowledged is missing.
#[test]
fn a_full_disk_means_silence() {
    let room = tempfile::tempdir().unwrap();
    let disk = room.path().join("disk");
    let Some(_mount) = mount(&["-t", "tmpfs", "-o", "size=16m", "tmpfs"], &disk) else {
        return;
    };
    let data = disk.join("data");
    let file = room.path().join("small.toml");
    let small = config("") + SMALL_JOURNAL;
    std::fs::write(&file, small).unwrap();
    let gateway = Gateway::start_with(&data, &["--config", file.to_str().unwrap()]);

    let mut acked = Vec::new();
    let mut number = 0u32;
    let mut ask = |gateway: &Gateway, wait: Duration| {
        number += 1;
        let mut stream = std::net::TcpStream::connect(gateway.tcp).ok()?;
        stream.set_read_timeout(Some(wait)).ok()?;
        stream
            .write_all(&sia(number % 9999 + 1, "F011", &format!("BA{number}")))
            .ok()?;
        let reply = read_reply(&mut stream)?;
        assert_eq!(reply.id, "ACK", "a full disk is no reason for DUH");
        acked.push(format!("F011/BA/{number}"));
        Some(())
    };
    assert!(ask(&gateway, crate::harness::PATIENCE).is_some());
    // Somebody else takes the rest of the disk.
    let hog = disk.join("hog");
    let mut file = std::fs::File::create(&hog).unwrap();
    while file.write_all(&[1u8; 4096]).is_ok() {}
    let mut silent = 0;
    for _ in 0..40_000 {
        if ask(&gateway, Duration::from_secs(4)).is_none() {
            silent += 1;
            if silent == 3 {
                break;
            }
        }
    }
    assert_eq!(silent, 3, "the disk was never full");
    let said = String::from_utf8_lossy(&gateway.stderr()).to_lowercase();
    assert!(
        said.contains("no room") || said.contains("space") || said.contains("full"),
        "it says why: {said}"
    );
    drop(file);
    std::fs::remove_file(&hog).unwrap();
    let mut gateway = gateway;
    let again = (0..60).any(|_| {
        std::thread::sleep(Duration::from_millis(250));
        ask(&gateway, Duration::from_secs(4)).is_some()
    });
    if !again {
        assert!(
            gateway.wait().is_some_and(|status| !status.success()),
            "neither served nor ended"
        );
    }
    gateway.kill();
    verify(&data);
    let kept: BTreeMap<String, usize> = crate::harness::tally(&exported(&data));
    for one in &acked {
        assert_eq!(kept.get(one), Some(&1), "{one}");
    }
    println!(
        "{} acknowledged before, on and after the full disk",
        acked.len()
    );
}

/// The power goes: the file system is shut down under the gateway without writing its log out.
/// `LARM_POWER_CYCLES` sets the number of cycles (5 unless set).
#[test]
fn nothing_acknowledged_is_lost_without_power() {
    let cycles: u32 = std::env::var("LARM_POWER_CYCLES")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(5);
    let room = tempfile::tempdir().unwrap();
    let image = room.path().join("disk.img");
    let disk = room.path().join("disk");
    std::fs::File::create(&image)
        .unwrap()
        .set_len(512 << 20)
        .unwrap();
    if !run("mkfs.ext4", &["-q", "-F", image.to_str().unwrap()]) {
        let _ = writeln!(
            std::io::stderr(),
            "NOT PROVED HERE: mkfs.ext4 does not work"
        );
        return;
    }
    let mut random = Random::seeded("power cuts");
    let file = room.path().join("small.toml");
    let small = config("") + SMALL_JOURNAL;
    std::fs::write(&file, small).unwrap();
    let data = disk.join("data");
    let mut acked: Vec<String> = Vec::new();
    for cycle in 0..cycles {
        let Some(mounted) = mount(&["-o", "loop", image.to_str().unwrap()], &disk) else {
            return;
        };
        let gateway = Gateway::spawn_logging(
            &data,
            &["--config", file.to_str().unwrap()],
            &room.path().join("stderr"),
        )
        .unwrap_or_else(|why| panic!("cycle {cycle}: {why}"));
        acked.extend(load_until_the_power_goes(
            &gateway,
            &disk,
            cycle,
            &mut random,
        ));
        gateway.kill();
        assert!(run("umount", &[disk.to_str().unwrap()]), "umount");
        drop(mounted);
    }
    let Some(_mounted) = mount(&["-o", "loop", image.to_str().unwrap()], &disk) else {
        return;
    };
    // Recovery cuts what the last cut left; then everything must verify.
    let gateway = Gateway::spawn_logging(
        &data,
        &["--config", file.to_str().unwrap()],
        &room.path().join("stderr"),
    )
    .unwrap_or_else(|why| panic!("after the last cycle: {why}"));
    let history = gateway.events(acked.len()).len();
    gateway.kill();
    verify(&data);
    let kept = crate::harness::tally(&exported(&data));
    let lost: Vec<&String> = acked
        .iter()
        .filter(|name| !kept.contains_key(*name))
        .collect();
    let doubled: Vec<&String> = acked
        .iter()
        .filter(|name| kept.get(*name) > Some(&1))
        .collect();
    println!(
        "{cycles} power cuts: {} acknowledged, {} lost, {} doubled",
        acked.len(),
        lost.len(),
        doubled.len()
    );
    assert!(acked.len() > 10 * cycles as usize, "too little was sent");
    assert!(
        lost.is_empty() && doubled.is_empty(),
        "lost {lost:?}, doubled {doubled:?}"
    );
    assert_eq!(history, exported(&data).len(), "the history as well");
}

/// Eight transmitters; what was acknowledged before or while the power went.
fn load_until_the_power_goes(
    gateway: &Gateway,
    disk: &Path,
    cycle: u32,
    random: &mut Random,
) -> Vec<String> {
    let to = gateway.tcp;
    let life = Duration::from_millis(20 + random.below(200));
    std::thread::scope(|scope| {
        let transmitters: Vec<_> = (0..8u32)
            .map(|at| {
                scope.spawn(move || {
                    let account = format!("{:05X}", cycle * 8 + at);
                    let mut acked = Vec::new();
                    let Ok(mut stream) = std::net::TcpStream::connect(to) else {
                        return acked;
                    };
                    let _ = stream.set_read_timeout(Some(Duration::from_millis(500)));
                    for number in 1..9999u32 {
                        let frame = sia(number, &account, &format!("BA{number}"));
                        if stream.write_all(&frame).is_err() {
                            break;
                        }
                        match read_reply(&mut stream) {
                            Some(reply) if reply.id == "ACK" => {
                                acked.push(format!("{account}/BA/{number}"));
                            }
                            _ => break,
                        }
                    }
                    acked
                })
            })
            .collect();
        std::thread::sleep(life);
        shut_down(disk);
        transmitters
            .into_iter()
            .flat_map(|one| one.join().expect("a transmitter"))
            .collect()
    })
}

/// The shutdown call of ext4, without flushing its log: `_IOR('X', 125, u32)` with 2.
fn shut_down(disk: &Path) {
    let call = "import fcntl, os, struct, sys\n\
                fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, struct.pack('I', 2))";
    assert!(
        run("python3", &["-c", call, disk.to_str().unwrap()]),
        "the shutdown call"
    );
}
