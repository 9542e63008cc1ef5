//! Names of made-up things, and of real cities, in three languages: English, French, Chinese.

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

/// Two parts of a hotel's name.
pub(super) const HOUSES: [&str; 6] = ["Hotel", "Casa", "Villa", "Pension", "Maison", "Palais"];
pub(super) const FAMES: [&str; 12] = [
    "Alba", "Mira", "Verde", "Aurelia", "Linde", "Corvo", "Estrela", "Marin", "Novo", "Rosa", "Sole", "Tilia",
];

/// What people write into a calendar.
pub(super) const ENTRIES: [[&str; 3]; 14] = [
    ["Dentist", "Dentiste", "看牙医"],
    ["Team meeting", "Réunion d’équipe", "团队会议"],
    ["Lunch with Ana", "Déjeuner avec Ana", "和安娜吃午饭"],
    ["Swimming", "Natation", "游泳"],
    ["Piano lesson", "Cours de piano", "钢琴课"],
    ["Birthday of Leo", "Anniversaire de Léo", "小雷生日"],
    ["Car inspection", "Contrôle technique", "车辆年检"],
    ["Book club", "Club de lecture", "读书会"],
    ["Haircut", "Coiffeur", "理发"],
    ["Concert", "Concert", "音乐会"],
    ["Parents’ evening", "Réunion de parents", "家长会"],
    ["Yoga", "Yoga", "瑜伽"],
    ["Project review", "Revue de projet", "项目评审"],
    ["Dinner at Mia’s", "Dîner chez Mia", "去米娅家吃晚饭"],
];

/// What lies in a warehouse.
pub(super) const ARTICLES: [[&str; 3]; 14] = [
    ["Copper wire 2 mm", "Fil de cuivre 2 mm", "铜线 2 mm"],
    ["Steel bolts M8", "Boulons acier M8", "钢螺栓 M8"],
    ["Cardboard boxes", "Cartons", "纸箱"],
    ["Ball bearings 608", "Roulements 608", "滚珠轴承 608"],
    ["LED panels", "Panneaux LED", "LED 面板"],
    ["Rubber seals", "Joints caoutchouc", "橡胶密封圈"],
    ["Printer paper A4", "Papier A4", "A4 打印纸"],
    ["Safety gloves", "Gants de sécurité", "防护手套"],
    ["Battery packs", "Blocs batterie", "电池组"],
    ["Hex nuts M6", "Écrous M6", "六角螺母 M6"],
    ["Sanding discs", "Disques abrasifs", "砂纸盘"],
    ["Cable ties", "Colliers de serrage", "扎带"],
    ["Wall plugs", "Chevilles", "膨胀螺栓"],
    ["Paint rollers", "Rouleaux de peinture", "油漆滚筒"],
];

pub(super) const SUPPLIERS: [&str; 8] = [
    "Norda",
    "Velmat",
    "Oriel",
    "Tarsis",
    "Bluhm",
    "Kestrel",
    "Lumen & Co",
    "Pivot",
];

/// A carrier's service: carrier and kind.
pub(super) const SERVICES: [[&str; 2]; 7] = [
    ["Falke", "Express"],
    ["Falke", "Standard"],
    ["Rapide", "24"],
    ["Rapide", "Eco"],
    ["Trans", "Air"],
    ["Trans", "Road"],
    ["Velo", "City"],
];
