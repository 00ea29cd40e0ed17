//! A code that links a phone, in a terminal.

use zupa_http::channels::Code;

/// Squares around the code, without which no camera finds it.
const MARGIN: usize = 4;

/// What a person reads who is to link a phone.
pub fn words(channel: &str, code: &Code) -> String {
    let how = "On the phone: WhatsApp, Linked devices, Link a device";
    match (&*code.way, &code.rows) {
        ("qr", Some(rows)) => {
            let drawn = drawn(rows);
            format!("{drawn}\n{channel}: {how}, and scan this")
        }
        ("qr", None) => format!("{channel}: the code is too long to be drawn"),
        _ => format!("{channel}: {how}, with the phone number: {}", code.text),
    }
}

/// Two rows in a line, in half blocks. A terminal is dark: what is dark is left out.
fn drawn(rows: &[String]) -> String {
    let side = rows.len() + 2 * MARGIN;
    let is_light = |x: usize, y: usize| {
        let square = || {
            let row = rows.get(y.checked_sub(MARGIN)?)?;
            row.as_bytes().get(x.checked_sub(MARGIN)?).copied()
        };
        y < side && square() != Some(b'1')
    };
    let lines = (0..side).step_by(2).map(|y| {
        let blocks = (0..side).map(|x| match (is_light(x, y), is_light(x, y + 1)) {
            (true, true) => '█',
            (true, false) => '▀',
            (false, true) => '▄',
            (false, false) => ' ',
        });
        blocks.collect::<String>()
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use zupa_core::standing::Pairing;

    use super::*;

    #[test]
    fn a_code_is_drawn_in_half_blocks_and_a_pairing_code_is_spelt() {
        let code = Code::of(&Pairing::Qr("2@a,b,c".to_owned()));
        let drawn = words("phone", &code);
        let lines: Vec<_> = drawn.lines().collect();
        // 21 squares and a margin of four around them, two in a line.
        let (blocks, _) = lines.split_at(15);
        assert!(
            blocks.iter().all(|line| line.chars().count() == 29),
            "{drawn}"
        );
        // The upper left corner: a dark square of seven around a light one of five.
        let corner: Vec<_> = blocks[2]
            .chars()
            .skip(4)
            .zip(blocks[3].chars().skip(4))
            .collect();
        assert_eq!(&corner[..2], [(' ', ' '), ('▄', '█')], "{drawn}");
        assert!(blocks[0].chars().all(|block| block == '█'), "{drawn}");
        assert!(lines.last().unwrap().contains("scan this"));
        let typed = Code::of(&Pairing::Code("ABCD1234".to_owned()));
        assert!(words("phone", &typed).ends_with("ABCD1234"));
    }
}
