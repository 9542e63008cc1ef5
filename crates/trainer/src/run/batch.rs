//! A step's samples, packed into streams for the lanes.

use aurore_checkpoint::Config;

use super::TrainError;
use crate::data::Sample;
use crate::stream::Stream;

/// The streams of each lane: samples go, the longest first, to the lane that has least to do, and fill streams of at
/// most `tokens` tokens there (a longer sample has one to itself). The same samples always give the same streams.
pub(super) fn pack(
    config: &Config,
    samples: Vec<Sample>,
    lanes: usize,
    tokens: usize,
) -> Result<Vec<Vec<Stream>>, TrainError> {
    let mut order: Vec<(usize, Sample)> = samples
        .into_iter()
        .map(|sample| (cost(&sample), sample))
        .collect();
    order.sort_by_key(|(cost, _)| std::cmp::Reverse(*cost));
    let mut loads = vec![0; lanes];
    let mut packed: Vec<Vec<Stream>> = (0..lanes).map(|_| Vec::new()).collect();
    for (cost, sample) in order {
        let least = (0..lanes).min_by_key(|lane| loads[*lane]).unwrap_or(0);
        loads[least] += cost;
        let context = config.text.max_position_embeddings;
        if sample.ids.len() > context {
            return Err(TrainError::TooLong {
                sample: sample.name,
                tokens: sample.ids.len(),
                context,
            });
        }
        let streams = &mut packed[least];
        let room = |stream: &Stream| stream.ids().len() + sample.ids.len() <= tokens;
        if !streams.last().is_some_and(room) {
            streams.push(Stream::default());
        }
        if let Some(stream) = streams.last_mut() {
            let Sample {
                name,
                ids,
                images,
                weights,
                looks,
                readings,
            } = sample;
            stream
                .push_named(config, &name, &ids, images, &weights)
                .and_then(|()| stream.look(&looks))
                .and_then(|()| stream.read(config, &readings))
                .map_err(|source| TrainError::Sample { sample: name, source })?;
        }
    }
    Ok(packed)
}

/// About what a sample costs: tokens, and patches, which pass through a smaller tower.
fn cost(sample: &Sample) -> usize {
    let patches: u32 = sample
        .images
        .iter()
        .map(|image| image.grid.iter().product::<u32>())
        .sum();
    2 * sample.ids.len() + patches as usize
}
