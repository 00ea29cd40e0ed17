//! Two tenants with the same conversation alias and the same message ids never
//! meet.

use std::sync::Arc;

use zupa_core::{ChannelId, Deduplicates, Delivered, Inbound, Prompt, TenantId};
use zupa_testkit::RecordingChannel;

use crate::support::{Act, Setup, inbound};

/// A tenant's own door, of the tenant's own name.
fn door_of(tenant: &str) -> Arc<RecordingChannel> {
    let id = ChannelId::parse(tenant).unwrap();
    let tenant = TenantId::parse(tenant).unwrap();
    Arc::new(RecordingChannel::new(id, tenant, Deduplicates::ByKey))
}

fn to(tenant: &str, id: &str, text: &str) -> Inbound {
    let mut message = inbound("ana", id, text);
    message.address.tenant = TenantId::parse(tenant).unwrap();
    message.address.channel = ChannelId::parse(tenant).unwrap();
    message
}

#[tokio::test(start_paused = true)]
async fn two_tenants_with_the_same_alias_and_ids_never_see_each_others_lines() {
    let mut setup = Setup::web();
    setup.doors = vec![door_of("red"), door_of("blue")];
    let world = setup.start().await;
    // Both turns are open at once: a cache or a key without tenant would mix.
    world.model.on("m1", [Act::Hold, Act::Hold]);
    for id in ["m1", "m2"] {
        for tenant in ["red", "blue"] {
            let message = to(tenant, id, &format!("{tenant}: {id}"));
            let told = world.deliver(message).await.unwrap();
            assert!(matches!(told, Delivered::Accepted { .. }), "{tenant} {id}");
            world.model.called(1).await;
        }
        world.model.release();
        world.model.release();
        world.quiet().await;
    }
    assert_eq!(world.model.calls(), 4);
    for call in world.model.asked() {
        let asker = call.lines().concat();
        let tenant = asker.split(':').next().unwrap();
        for line in call.messages.iter() {
            let whose = line.text().trim_start_matches("re: ");
            assert!(
                whose.starts_with(tenant),
                "{tenant} was shown another's line"
            );
        }
        let remembered = call
            .messages
            .iter()
            .any(|line| matches!(line, Prompt::Assistant { .. }));
        assert_eq!(
            remembered,
            asker.ends_with("m2"),
            "its own history is there"
        );
    }
    for (door, tenant) in world.doors.iter().zip(["red", "blue"]) {
        let calls = door.calls();
        let said: Vec<_> = calls
            .iter()
            .map(|sent| sent.content.as_prompt_text())
            .collect();
        assert_eq!(said, ["m1", "m2"].map(|id| format!("re: {tenant}: {id}")));
        assert!(calls.iter().all(|sent| sent.to.tenant.as_str() == tenant));
    }
}
