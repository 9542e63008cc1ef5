//! Warm-up, stable, decay.

/// How the rates change over a run, in steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Steps of the whole run.
    pub total: u64,
    /// The first steps, in which rates rise from nothing.
    #[serde(default)]
    pub warm_up: u64,
    /// The last steps, in which they fall to nothing.
    #[serde(default)]
    pub decay: u64,
}

impl Schedule {
    /// What the rates of step `step` (from 0) are multiplied by.
    pub fn factor(&self, step: u64) -> f32 {
        let rise = (step + 1) as f32 / self.warm_up.max(1) as f32;
        let left = self.total.saturating_sub(step) as f32 / (self.decay + 1) as f32;
        rise.min(left).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_rise_stay_and_fall() {
        let schedule = Schedule {
            total: 100,
            warm_up: 10,
            decay: 19,
        };
        let factors = [0, 4, 9, 50, 80, 90, 99].map(|step| schedule.factor(step));
        assert_eq!(factors, [0.1, 0.5, 1.0, 1.0, 1.0, 0.5, 0.05]);
        let plain = Schedule {
            total: 3,
            warm_up: 0,
            decay: 0,
        };
        assert_eq!([0, 1, 2].map(|step| plain.factor(step)), [1.0; 3]);
    }
}
