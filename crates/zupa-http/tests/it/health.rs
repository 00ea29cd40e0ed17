//! Liveness and readiness.

use std::sync::atomic::Ordering;
use std::time::Duration;

use zupa_core::ErrorKind;

use crate::fakes::App;

#[tokio::test]
async fn ready_and_alive_are_200() {
    let app = App::new();
    assert_eq!(app.get("/livez").await.status, 200);
    for path in ["/readyz", "/health"] {
        let answer = app.get(path).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json["status"], "ready");
        assert_eq!(answer.json["checks"]["store"], "ok");
    }
}

#[tokio::test]
async fn a_degraded_process_is_alive_and_not_ready() {
    let app = App::new();
    app.readiness.degraded("the disk is full");
    let answer = app.get("/readyz").await;
    assert_eq!(answer.problem(), (503, "not_ready"));
    assert_eq!(answer.headers["retry-after"], "1");
    assert_eq!(answer.json["checks"]["process"], "degraded");
    assert_eq!(answer.json["checks"]["reason"], "the disk is full");
    assert_eq!(app.get("/livez").await.status, 200);

    app.readiness.ready();
    assert_eq!(app.get("/readyz").await.status, 200);
    app.readiness.draining();
    assert_eq!(
        app.get("/health").await.json["checks"]["process"],
        "draining"
    );
}

#[tokio::test]
async fn a_failing_store_is_not_ready() {
    let app = App::new();
    *app.desk.fails.lock().unwrap() = Some(ErrorKind::Corrupt);
    let answer = app.get("/readyz").await;
    assert_eq!(answer.problem(), (503, "not_ready"));
    assert_eq!(answer.json["checks"]["store"], "corrupt");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_delays_the_answer_by_less_than_50_ms() {
    let app = App::new();
    app.desk.hangs.store(true, Ordering::SeqCst);
    let asked = tokio::time::timeout(Duration::from_millis(50), app.get("/readyz"));
    let answer = asked.await.unwrap();
    assert_eq!(answer.problem(), (503, "not_ready"));
    assert_eq!(answer.json["checks"]["store"], "timeout");
}
