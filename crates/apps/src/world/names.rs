//! Names of made-up things, and of real cities in three languages.

/// English, French, Chinese.
pub(super) const CITIES: [[&str; 3]; 14] = [
    ["Lisbon", "Lisbonne", "里斯本"],
    ["Rome", "Rome", "罗马"],
    ["Madrid", "Madrid", "马德里"],
    ["Vienna", "Vienne", "维也纳"],
    ["Prague", "Prague", "布拉格"],
    ["Dublin", "Dublin", "都柏林"],
    ["Athens", "Athènes", "雅典"],
    ["Oslo", "Oslo", "奥斯陆"],
    ["Berlin", "Berlin", "柏林"],
    ["Warsaw", "Varsovie", "华沙"],
    ["Geneva", "Genève", "日内瓦"],
    ["Copenhagen", "Copenhague", "哥本哈根"],
    ["Porto", "Porto", "波尔图"],
    ["Milan", "Milan", "米兰"],
];

pub(super) const AIRLINES: [&str; 7] = ["AV", "BX", "CN", "KM", "OR", "TZ", "VL"];
