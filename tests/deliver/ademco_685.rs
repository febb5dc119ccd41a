//! Ademco 685 lines to a case system on a real socket.
use larm::deliver::lines::ademco685;
use larm::deliver::lines::frame::Marks;
use larm::deliver::{LinkState, Verdict};
use tokio::task::JoinSet;

use crate::case_system::{CaseSystem, Do, Log, is_heartbeat};
use crate::line_driver::{Driven, alarms, eventually};

#[tokio::test]
async fn events_and_heartbeats_arrive() {
    let (case, mut tasks) = (CaseSystem::willing(Marks::LF_CR), JoinSet::new());
    let address = case.listen(&mut tasks).await;
    let driven = Driven::start(&format!(
        "kind = \"ademco-685\"\nconnect = \"{address}\"\nheartbeat = \"50ms\"\nquiet = \"0ms\"\nreceipt_timeout = \"10s\""
    ));
    let sent = alarms(20, 4);
    assert_eq!(driven.deliver_all(&sent).await.len(), 20);
    let records = case.log(Log::events);
    for (one, record) in sent.iter().zip(&records) {
        let account = one.event.account.as_deref().unwrap();
        assert_eq!(
            *record,
            format!("11 {account} 18 E130 00 C{:03} ", one.position)
        );
        assert_eq!(
            ademco685::parse(record.as_bytes()).unwrap().to_string(),
            *record
        );
    }
    assert_eq!(records.len(), sent.len());
    eventually(|| case.log(|log| log.seen.iter().any(|seen| seen.record == "00 OKAY @"))).await;
    driven.stop().await;
}

#[tokio::test]
async fn two_silences_are_a_computer_trouble() {
    let mut tasks = JoinSet::new();
    let case = CaseSystem::new(Marks::LF_CR, |log, record| {
        let beats = log
            .seen
            .iter()
            .filter(|seen| is_heartbeat(&seen.record))
            .count();
        match beats {
            _ if !is_heartbeat(record) && beats < 2 => vec![],
            0 | 1 => vec![],
            _ => vec![Do::Ack],
        }
    });
    let address = case.listen(&mut tasks).await;
    let driven = Driven::start(&format!(
        "kind = \"ademco-685\"\nconnect = \"{address}\"\nheartbeat = \"50ms\"\nquiet = \"0ms\"\nreceipt_timeout = \"300ms\""
    ));
    let sent = alarms(4, 2);
    let verdicts = driven.try_once(&sent[..1]).await;
    assert!(matches!(verdicts[0], Verdict::Retry { .. }), "{verdicts:?}");
    eventually(|| case.log(|log| log.seen.iter().any(|seen| is_heartbeat(&seen.record)))).await;
    assert!(matches!(driven.link.state(), LinkState::Down(_)));
    driven.deliver_all(&sent).await;
    let kinds: Vec<bool> = case.log(|log| {
        log.seen
            .iter()
            .map(|seen| is_heartbeat(&seen.record))
            .collect()
    });
    // An event and its repeat, then heartbeats.
    assert_eq!(kinds[..4], [false, false, true, true]);
    driven.stop().await;
}
