"""Each preset on messages as its family of devices sends them: the streams that they come to."""

from collections import Counter

import pytest

from ewad.config import parse, presets
from ewad.errors import ConfigError
from tests.ingest.test_live_messages import NOW, Daemon

# preset -> messages, and the values of their streams
CASES = {
    "zigbee2mqtt": [
        (
            "zigbee2mqtt/hall",
            '{"battery":97,"humidity":44.1,"linkquality":120,"temperature":21.53,"update":{"installed_version":3}}',
            {
                "zigbee2mqtt/hall/battery": 97,
                "zigbee2mqtt/hall/humidity": 44.1,
                "zigbee2mqtt/hall/temperature": 21.53,
            },
        ),
        ("zigbee2mqtt/door", '{"contact":true,"last_seen":1772359200000}', {"zigbee2mqtt/door/contact": 1}),
        (
            "zigbee2mqtt/plug",
            '{"state":"ON","power":12.5,"update_available":false}',
            {"zigbee2mqtt/plug/state": 1, "zigbee2mqtt/plug/power": 12.5},
        ),
        ("zigbee2mqtt/bridge/state", '{"state":"online"}', {}),
        ("zigbee2mqtt/hall/availability", '{"state":"online"}', {"zigbee2mqtt/hall/availability": 1}),
        ("zigbee2mqtt/hall/set", '{"state":"ON"}', {}),
    ],
    "tasmota": [
        (
            "tele/attic/SENSOR",
            '{"Time":"2026-03-01T10:00:00","SI7021":{"Temperature":17.4,"Humidity":nan,"DewPoint":7.1},"TempUnit":"C"}',
            {"tele/attic/SENSOR/SI7021.Temperature": 17.4, "tele/attic/SENSOR/SI7021.DewPoint": 7.1},
        ),
        (
            "tele/bridge/SENSOR",
            '{"ZbReceived":{"0x1A2B":{"Device":"0x1A2B","Temperature":21.5,"Endpoint":1,"LinkQuality":90}}}',
            {"tele/bridge/SENSOR/0x1A2B/Temperature": 21.5},
        ),
        (
            "tele/meter/SENSOR",
            '{"Time":"2026-03-01T10:00:00","SML":{"total":1234.567,"power":-310}}',
            {"tele/meter/SENSOR/SML.power": -310},
        ),
        (
            "tele/plug/STATE",
            '{"Time":"2026-03-01T10:00:00","Uptime":"0T01:00:00","UptimeSec":3600,"Heap":25,"POWER":"ON","Wifi":{"AP":1,"RSSI":88}}',
            {
                "tele/plug/STATE/Heap": 25,
                "tele/plug/STATE/POWER": 1,
                "tele/plug/STATE/Wifi.RSSI": 88,
            },
        ),
        ("stat/plug/POWER", "OFF", {"stat/plug/POWER": 0}),
        ("tele/plug/LWT", "Online", {"tele/plug/LWT": 1}),
    ],
    "shelly": [
        ("shellies/plug/relay/0", "on", {"shellies/plug/relay/0": 1}),
        ("shellies/plug/relay/0/power", "13.45", {"shellies/plug/relay/0/power": 13.45}),
        ("shellies/ht/sensor/temperature", "999", {}),
        (
            "shellyplus-1/status/switch:0",
            '{"id":0,"source":"MQTT","output":true,"apower":8.9,"voltage":229.3,"aenergy":{"total":12.1,"by_minute":[1,2],"minute_ts":1}}',
            {
                "shellyplus-1/status/switch:0/output": 1,
                "shellyplus-1/status/switch:0/apower": 8.9,
                "shellyplus-1/status/switch:0/voltage": 229.3,
            },
        ),
        ("shellyplus-1/online", "true", {"shellyplus-1/online": 1}),
    ],
    "esphome": [
        ("desk/sensor/temperature/state", "21.4", {"desk/sensor/temperature/state": 21.4}),
        ("desk/sensor/temperature/state", "nan", {}),
        ("desk/binary_sensor/window/state", "OFF", {"desk/binary_sensor/window/state": 0}),
        ("desk/status", "online", {"desk/status": 1}),
    ],
    "ttn": [
        (
            "v3/app@ttn/devices/soil-1/up",
            '{"received_at":"2026-03-01T10:00:00.123456789Z","uplink_message":{"f_port":2,"decoded_payload":'
            '{"temperature":8.5,"soil":{"moisture":31}},"rx_metadata":[{"gateway_ids":{"gateway_id":"gw-1"},"rssi":-97,"snr":7.5}]}}',
            {
                "v3/app@ttn/devices/soil-1/up/temperature": 8.5,
                "v3/app@ttn/devices/soil-1/up/soil.moisture": 31,
                "v3/app@ttn/devices/soil-1/up/gw-1/rssi": -97,
                "v3/app@ttn/devices/soil-1/up/gw-1/snr": 7.5,
            },
        ),
        (
            "v3/app@ttn/devices/door-7/up",
            '{"received_at":"2026-03-01T10:00:05Z","uplink_message":{"f_port":1,"decoded_payload":'
            '{"open":true,"battery":3.05},"rx_metadata":[{"gateway_ids":{"gateway_id":"gw-1"},"rssi":-110,"snr":-4.2},'
            '{"gateway_ids":{"gateway_id":"gw-2"},"rssi":-71,"snr":9}]}}',
            {
                "v3/app@ttn/devices/door-7/up/open": 1,
                "v3/app@ttn/devices/door-7/up/battery": 3.05,
                "v3/app@ttn/devices/door-7/up/gw-1/rssi": -110,
                "v3/app@ttn/devices/door-7/up/gw-1/snr": -4.2,
                "v3/app@ttn/devices/door-7/up/gw-2/rssi": -71,
                "v3/app@ttn/devices/door-7/up/gw-2/snr": 9,
            },
        ),
        ("v3/app@ttn/devices/soil-1/join", '{"join_accept":{}}', {}),
    ],
    "chirpstack": [
        (
            "application/7/device/a1b2/event/up",
            '{"time":"2026-03-01T10:00:00+00:00","fCnt":10,"object":{"temperature":22.5},"rxInfo":[{"gatewayId":"g1","rssi":-57,"snr":10}]}',
            {
                "application/7/device/a1b2/event/up/temperature": 22.5,
                "application/7/device/a1b2/event/up/g1/rssi": -57,
                "application/7/device/a1b2/event/up/g1/snr": 10,
            },
        ),
        (
            "application/7/device/a1b2/event/status",
            '{"time":"2026-03-01T10:00:00+00:00","margin":10,"batteryLevel":75.2}',
            {
                "application/7/device/a1b2/event/status/batteryLevel": 75.2,
                "application/7/device/a1b2/event/status/margin": 10,
            },
        ),
    ],
    "rtl_433": [
        (
            "rtl_433/pi/events",
            '{"time":"2026-03-01 10:00:00","model":"Prologue-TH","id":5,"channel":1,"battery_ok":1,'
            '"temperature_C":16.2,"mic":"CRC"}',
            {
                "rtl_433/pi/events/Prologue-TH/1/5/battery_ok": 1,
                "rtl_433/pi/events/Prologue-TH/1/5/temperature_C": 16.2,
            },
        ),
        (
            "rtl_433/pi/events",
            '{"time":"2026-03-01 10:00:01","model":"Oregon-v1","id":201,"temperature_C":-3.1}',
            {"rtl_433/pi/events/Oregon-v1//201/temperature_C": -3.1},
        ),
        (
            "rtl_433/pi/devices/Prologue-TH/1/5/temperature_C",
            "16.3",
            {"rtl_433/pi/devices/Prologue-TH/1/5/temperature_C": 16.3},
        ),
        ("rtl_433/pi/devices/Prologue-TH/1/5/time", "2026-03-01 10:00:00", {}),
    ],
    "victron": [
        (
            "N/c0ffee/battery/512/Dc/0/Voltage",
            '{"value":13.21}',
            {"N/c0ffee/battery/512/Dc/0/Voltage": 13.21},
        ),
        ("N/c0ffee/battery/512/Alarms/LowSoc", '{"value":null}', {}),
        (
            "N/c0ffee/system/0/Ac/Grid/L1/Power",
            '{"value":-412}',
            {"N/c0ffee/system/0/Ac/Grid/L1/Power": -412},
        ),
    ],
    "homie": [
        ("homie/kitchen/thermometer/temperature", "21.9", {"homie/kitchen/thermometer/temperature": 21.9}),
        ("homie/kitchen/lamp/on", "true", {"homie/kitchen/lamp/on": 1}),
        ("homie/kitchen/$state", "ready", {"homie/kitchen/$state": 1}),
    ],
    "meshtastic": [
        (
            "msh/EU_868/2/json/LongFast/!7efeee00",
            '{"channel":0,"from":2130636288,"id":452664778,"payload":{"air_util_tx":0.1,"battery_level":84,"voltage":4.1},'
            '"rssi":-80,"snr":6.5,"timestamp":1772359200,"type":"telemetry"}',
            {
                "msh/EU_868/2/json/LongFast/!7efeee00/2130636288/air_util_tx": 0.1,
                "msh/EU_868/2/json/LongFast/!7efeee00/2130636288/battery_level": 84,
                "msh/EU_868/2/json/LongFast/!7efeee00/2130636288/voltage": 4.1,
                "msh/EU_868/2/json/LongFast/!7efeee00/2130636288/rssi": -80,
                "msh/EU_868/2/json/LongFast/!7efeee00/2130636288/snr": 6.5,
            },
        ),
        (
            "msh/2/json/LongFast/!a1b2c3d4",
            '{"channel":0,"from":305419896,"payload":{"temperature":21.7,"relative_humidity":40.5},"rssi":-95,"snr":3.25,'
            '"timestamp":1772359210,"type":"telemetry"}',
            {
                "msh/2/json/LongFast/!a1b2c3d4/305419896/temperature": 21.7,
                "msh/2/json/LongFast/!a1b2c3d4/305419896/relative_humidity": 40.5,
                "msh/2/json/LongFast/!a1b2c3d4/305419896/rssi": -95,
                "msh/2/json/LongFast/!a1b2c3d4/305419896/snr": 3.25,
            },
        ),
        (
            "msh/EU_868/2/json/LongFast/!7efeee00",
            '{"from":77,"payload":{"text":"hello"},"timestamp":1772359200,"type":"text"}',
            {},
        ),
    ],
    "openmqttgateway": [
        (
            "home/omg/BTtoMQTT/A4C138",
            '{"id":"A4:C1:38","name":"LYWSD03MMC","rssi":-70,"tempc":19.1,"hum":53.2,"batt":88,"acts":true}',
            {
                "home/omg/BTtoMQTT/A4C138/tempc": 19.1,
                "home/omg/BTtoMQTT/A4C138/hum": 53.2,
                "home/omg/BTtoMQTT/A4C138/batt": 88,
            },
        ),
        (
            "home/omg/RTL_433toMQTT",
            '{"model":"Nexus-TH","id":12,"temperature_C":4.5,"rssi":-90}',
            {"home/omg/RTL_433toMQTT/Nexus-TH/12/temperature_C": 4.5},
        ),
        (
            "home/omg/SYStoMQTT",
            '{"uptime":600,"freemem":120000,"rssi":-55}',
            {
                "home/omg/SYStoMQTT/freemem": 120000,
                "home/omg/SYStoMQTT/rssi": -55,
            },
        ),
    ],
    "opendtu": [
        ("solar/116180/0/power", "312.4", {"solar/116180/0/power": 312.4}),
        ("solar/ac/power", "312.4", {"solar/ac/power": 312.4}),
        ("solar/dtu/hostname", "OpenDTU", {}),
        ("inverter/HM600/ch0/P_AC", "300.1", {"inverter/HM600/ch0/P_AC": 300.1}),
    ],
    "ems-esp": [
        (
            "ems-esp/boiler_data",
            '{"heatingactive":"on","curflowtemp":48.2,"syspress":1.6,"servicecode":"-H"}',
            {
                "ems-esp/boiler_data/heatingactive": 1,
                "ems-esp/boiler_data/curflowtemp": 48.2,
                "ems-esp/boiler_data/syspress": 1.6,
            },
        ),
        (
            "ems-esp/temperaturesensor_data",
            '{"28-1":{"name":"a","temp":48.2},"28-2":{"temp":85}}',
            {"ems-esp/temperaturesensor_data/28-1": 48.2},
        ),
        (
            "ems-esp/heartbeat",
            '{"rxreceived":1000,"freemem":90}',
            {"ems-esp/heartbeat/freemem": 90},
        ),
    ],
    "zwave-js": [
        (
            "zwave/Hall/Sensor/49/0/Air_temperature",
            '{"time":1772359200000,"value":20.7}',
            {"zwave/Hall/Sensor/49/0/Air_temperature": 20.7},
        ),
        (
            "zwave/Hall/Sensor/48/0/Any",
            '{"time":1772359200000,"value":false}',
            {"zwave/Hall/Sensor/48/0/Any": 0},
        ),
        (
            "zwave/Hall/Sensor/status",
            '{"time":1772359200000,"value":true,"status":"Alive"}',
            {"zwave/Hall/Sensor/status": 1},
        ),
        ("zwave/_EVENTS/ZWAVE_GATEWAY-x/driver/driver_ready", '{"data":[]}', {}),
    ],
    "owntracks": [
        (
            "owntracks/ann/phone",
            '{"_type":"location","lat":48.2,"lon":16.3,"acc":12,"batt":81,"tst":1772359200,"tid":"AN"}',
            {
                "owntracks/ann/phone/lat": 48.2,
                "owntracks/ann/phone/lon": 16.3,
                "owntracks/ann/phone/acc": 12,
                "owntracks/ann/phone/batt": 81,
            },
        ),
        (
            "owntracks/bob/tracker",
            '{"_type":"location","lat":-33.86,"lon":151.21,"alt":58,"vel":42,"batt":100,"tst":1772359230,"conn":"m"}',
            {
                "owntracks/bob/tracker/lat": -33.86,
                "owntracks/bob/tracker/lon": 151.21,
                "owntracks/bob/tracker/alt": 58,
                "owntracks/bob/tracker/vel": 42,
                "owntracks/bob/tracker/batt": 100,
            },
        ),
        ("owntracks/ann/phone/event", '{"_type":"transition"}', {}),
    ],
    "homeassistant-statestream": [
        ("homeassistant/sensor/outdoor/state", "3.2", {"homeassistant/sensor/outdoor/state": 3.2}),
        ("homeassistant/light/desk/state", "on", {"homeassistant/light/desk/state": 1}),
        ("homeassistant/sensor/outdoor/unit_of_measurement", "°C", {}),
    ],
}

# Further messages: with those above two or more of each kind that a family sends.
FURTHER = {
    "zigbee2mqtt": [
        (
            "zigbee2mqtt/kitchen/blind",
            '{"battery":81,"linkquality":96,"position":40,"state":"OPEN","running":false,"last_seen":"2026-03-01T10:00:00+01:00"}',
            {"battery": 81, "position": 40, "state": 1, "running": 0},
        ),
        (
            "zigbee2mqtt/lock",
            '{"state":"UNLOCK","lock_state":"unlocked","child_lock":"LOCK","battery":55}',
            {"state": 0, "child_lock": 1, "battery": 55},
        ),
        (
            "zigbee2mqtt/lamp",
            '{"state":"OFF","brightness":254,"color":{"x":0.46,"y":0.41},"color_mode":"color_temp","color_temp":370}',
            {"state": 0, "brightness": 254, "color_temp": 370},
        ),
        ("zigbee2mqtt/remote", '{"action":"single","battery":null,"linkquality":60}', {}),
        ("zigbee2mqtt/kitchen/blind/availability", '{"state":"offline"}', {"": 0}),
        ("zigbee2mqtt/kitchen/blind/set", '{"position":10}', {}),
        ("zigbee2mqtt/bridge/info", '{"version":"2.0.0","permit_join":false}', {}),
    ],
    "tasmota": [
        (
            "tele/plug/SENSOR",
            '{"Time":"2026-03-01T10:00:00","ENERGY":{"TotalStartTime":"2025-01-01T00:00:00","Total":12.5,"Yesterday":0.8,'
            '"Today":0.3,"Period":0,"Power":11,"Factor":0.61,"Voltage":231,"Current":0.078}}',
            {
                "ENERGY.Yesterday": 0.8,
                "ENERGY.Period": 0,
                "ENERGY.Power": 11,
                "ENERGY.Factor": 0.61,
                "ENERGY.Voltage": 231,
                "ENERGY.Current": 0.078,
            },
        ),
        (
            "tele/cellar/SENSOR",
            '{"Time":"2026-03-01T10:00:00","DS18B20-1":{"Id":"0114556A","Temperature":-127.0},'
            '"DS18B20-2":{"Id":"01145573","Temperature":44.9},"Switch1":"ON","TempUnit":"C"}',
            {"DS18B20-2.Temperature": 44.9, "Switch1": 1},
        ),
        (
            "tele/tank/SENSOR",
            '{"Time":"2026-03-01T10:00:00","DS18B20":{"Id":"0114556B","Temperature":61.5},"TempUnit":"C"}',
            {"DS18B20.Temperature": 61.5},
        ),
        (
            "tele/meter/SENSOR",
            '{"Time":"2026-03-01T10:00:10","SML":{"total":1234.568,"power":85}}',
            {"SML.power": 85},
        ),
        (
            "tele/bridge/7E04/SENSOR",
            '{"ZbReceived":{"0x7E04":{"Device":"0x7E04","Name":"door","Contact":1,"Endpoint":1,"LinkQuality":70}}}',
            {"0x7E04/Contact": 1},
        ),
        (
            "tele/bridge/SENSOR",
            '{"ZbInfo":{"0x7E04":{"Device":"0x7E04","Reachable":true,"BatteryPercentage":79,"LastSeenEpoch":1772359200}}}',
            {},
        ),
        (
            "tele/lamp/STATE",
            '{"Time":"2026-03-01T10:00:00","Uptime":"1T02:03:04","UptimeSec":93784,"Heap":24,"SleepMode":"Dynamic","Sleep":50,'
            '"LoadAvg":19,"MqttCount":1,"POWER1":"OFF","POWER2":"ON","Dimmer":30,"Wifi":{"AP":1,"SSId":"net","Channel":6,"RSSI":70,"Signal":-65}}',
            {
                "Heap": 24,
                "LoadAvg": 19,
                "POWER1": 0,
                "POWER2": 1,
                "Dimmer": 30,
                "Wifi.RSSI": 70,
                "Wifi.Signal": -65,
            },
        ),
        (
            "tele/attic/SENSOR",
            '{"Time":"2026-03-01T10:00:00","AM2301":{"Temperature":19.5,"Humidity":85.0}}',
            {"AM2301.Temperature": 19.5, "AM2301.Humidity": 85},
        ),
        ("stat/lamp/POWER2", "ON", {"": 1}),
        ("stat/lamp/STATUS8", '{"StatusSNS":{"Time":"2026-03-01T10:00:00"}}', {}),
        ("stat/lamp/RESULT", '{"POWER2":"ON"}', {}),
        ("tele/lamp/LWT", "Offline", {"": 0}),
    ],
    "shelly": [
        ("shellies/shellyem-1/emeter/0/power", "-220.15", {"": -220.15}),
        ("shellies/shellyht-1/sensor/humidity", "54.5", {"": 54.5}),
        ("shellies/shelly1-1/ext_temperature/0", "-7.38", {"": -7.38}),
        ("shellies/shellydw2-1/sensor/state", "open", {"": 1}),
        ("shellies/plug/relay/0/power", "999", {"": 999}),
        ("shellies/shellydw2-1/sensor/lux", "13", {"": 13}),
        ("shellies/shelly1-1/relay/1", "off", {"": 0}),
        ("shellies/shelly1-1/online", "false", {"": 0}),
        ("shellies/shellyswitch25-1/roller/0", "stop", {}),
        ("shellies/shellyswitch25-1/roller/0/pos", "35", {"": 35}),
        ("shellies/shellydimmer-1/light/0/status", '{"ison":true,"brightness":50}', {}),
        ("shellies/shelly1-1/input_event/0", '{"event":"S","event_cnt":2}', {}),
        ("shellies/shellyht-1/sensor/act_reasons", '["sensor"]', {}),
        (
            "shellypro3em-1/status/em:0",
            '{"id":0,"a_current":4.029,"a_voltage":236.1,"a_act_power":951.2,"total_act_power":2484.782,"user_calibrated_phase":[]}',
            {"a_current": 4.029, "a_voltage": 236.1, "a_act_power": 951.2, "total_act_power": 2484.782},
        ),
        (
            "shellyplusht-1/status/devicepower:0",
            '{"id":0,"battery":{"V":5.27,"percent":62},"external":{"present":false}}',
            {"battery.V": 5.27, "battery.percent": 62, "external.present": 0},
        ),
        (
            "shellyplusht-1/events/rpc",
            '{"src":"shellyplusht-1","dst":"shellyplusht-1/events","method":"NotifyStatus","params":{"ts":1772359200.12,'
            '"temperature:0":{"id":0,"tC":21.4,"tF":70.5},"humidity:0":{"id":0,"rh":47.1}}}',
            {"temperature:0/tC": 21.4, "temperature:0/tF": 70.5, "humidity:0/rh": 47.1},
        ),
        (
            "shellyplus-1/events/rpc",
            '{"src":"shellyplus-1","dst":"shellyplus-1/events","method":"NotifyStatus","params":{"ts":1772359201.5,'
            '"switch:0":{"id":0,"apower":9.1,"aenergy":{"by_minute":[1,2,3],"minute_ts":1772359200,"total":12.2}}}}',
            {"switch:0/apower": 9.1},
        ),
        (
            "shellyplus-1/events/rpc",
            '{"src":"shellyplus-1","dst":"shellyplus-1/events","method":"NotifyEvent","params":{"ts":1772359202.5,'
            '"events":[{"component":"input:0","id":0,"event":"single_push","ts":1772359202.5}]}}',
            {},
        ),
        ("shellyplus-1/online", "false", {"": 0}),
    ],
    "esphome": [
        ("desk/binary_sensor/motion/state", "ON", {"": 1}),
        ("desk/cover/blind/state", "closed", {"": 0}),
        ("desk/cover/blind/position/state", "0.35", {"": 0.35}),
        ("desk/climate/heat/mode/state", "heat", {}),
        ("desk/climate/heat/current_temperature/state", "20.5", {"": 20.5}),
        ("desk/lock/door/state", "LOCKED", {"": 1}),
        ("desk/text_sensor/version/state", "2026.2.0", {}),
        (
            "desk/light/lamp/state",
            '{"state":"ON","brightness":128,"color_mode":"brightness"}',
            {"state": 1, "brightness": 128},
        ),
        ("desk/light/strip/state", '{"state":"OFF","color":{"r":255,"g":0,"b":0}}', {"state": 0}),
        ("shed/status", "offline", {"": 0}),
    ],
    "chirpstack": [
        (
            "application/a0b1/device/0101/event/up",
            '{"deduplicationId":"3ac7","time":"2026-03-01T10:00:02.823500726+00:00","deviceInfo":{"tenantName":"t"},"fPort":1,'
            '"object":{"door":{"open":true},"battery":3.2},"rxInfo":[{"gatewayId":"g1","rssi":-101,"snr":-3.5},{"gatewayId":"g2","rssi":-48,"snr":9}]}',
            {"door.open": 1, "battery": 3.2, "g1/rssi": -101, "g1/snr": -3.5, "g2/rssi": -48, "g2/snr": 9},
        ),
        (
            "application/a0b1/device/0101/event/status",
            '{"time":"2026-03-01T10:00:02Z","margin":-4,"externalPowerSource":true,"batteryLevelUnavailable":true,"batteryLevel":0}',
            {"margin": -4, "batteryLevel": 0},
        ),
        (
            "application/a0b1/device/0101/event/join",
            '{"time":"2026-03-01T10:00:02Z","devAddr":"00189440"}',
            {},
        ),
    ],
    "rtl_433": [
        ("rtl_433/pi/devices/TPMS/Toyota/3f9a/pressure_kPa", "231.5", {"": 231.5}),
        ("rtl_433/pi/devices/Toyota/3f9a/mic", "CRC", {}),
        ("rtl_433/pi/devices/Generic-Remote/1/button", "up", {}),
    ],
    "victron": [
        ("N/c0ffee/solarcharger/258/ProductName", '{"value":"SmartSolar"}', {}),
        ("N/c0ffee/battery/512/ProductId", '{"value":41873}', {}),
    ],
    "homie": [
        ("homie/kitchen/thermometer/humidity", "44", {"": 44}),
        ("homie/kitchen/lamp/color", "255,0,0", {}),
        ("homie/kitchen/thermometer/mode", "eco", {}),
        ("homie/kitchen/lamp/on", "false", {"": 0}),
        ("homie/shed/$state", "lost", {"": 0}),
        ("homie/shed/$name", "Shed", {}),
    ],
    "openmqttgateway": [
        (
            "home/omg/BTtoMQTT/C47C8D",
            '{"id":"C4:7C:8D","name":"Flower care","rssi":-81,"distance":4.2,"lux":120,"moi":23,"fer":310,'
            '"tempc":18.4,"track":true}',
            {"lux": 120, "moi": 23, "fer": 310, "tempc": 18.4},
        ),
        (
            "home/omg/433toMQTT",
            '{"value":1315156,"protocol":1,"length":24,"delay":317}',
            {},
        ),
        (
            "home/omg/RTL_433toMQTT",
            '{"model":"LaCrosse-TX141THBv2","id":201,"channel":0,"battery_ok":1,"temperature_C":-2.4,"humidity":88,"rssi":-71,"duration":41000}',
            {
                "LaCrosse-TX141THBv2/201/battery_ok": 1,
                "LaCrosse-TX141THBv2/201/temperature_C": -2.4,
                "LaCrosse-TX141THBv2/201/humidity": 88,
            },
        ),
        (
            "home/lora/LORAtoMQTT",
            '{"rssi":-92,"snr":9.25,"pferror":-3598,"packetSize":12,"model":"soil","id":"7c","tempc":11.5}',
            {"soil/7c/tempc": 11.5},
        ),
        (
            "home/lora/LORAtoMQTT",
            '{"rssi":-90,"snr":8.5,"pferror":-3500,"packetSize":12,"model":"soil","id":"7d","tempc":12.5}',
            {"soil/7d/tempc": 12.5},
        ),
        (
            "home/lora/SYStoMQTT",
            '{"uptime":1202,"version":"v1.8.0","freemem":106216,"rssi":-53,"SSID":"net","tempc":44.4}',
            {"freemem": 106216, "rssi": -53, "tempc": 44.4},
        ),
    ],
    "opendtu": [
        ("solar/116180/1/irradiation", "71.2", {"": 71.2}),
        ("solar/116180/status/reachable", "1", {"": 1}),
        ("solar/116180/status/last_update", "1772359200", {}),
        ("solar/116180/name", "roof", {}),
        ("solar/dc/irradiation", "70.1", {"": 70.1}),
        ("inverter/HM600/ch1/P_DC", "155.2", {"": 155.2}),
        ("inverter/total/P_AC", "300.1", {"": 300.1}),
        ("inverter/total/YieldDay", "1804", {}),
    ],
    "meshtastic": [
        *(
            (
                "msh/EU_868/2/json/LongFast/!7efeee00",
                f'{{"channel":0,"hop_start":3,"id":452664778,{rest},'
                '"sender":"!7efeee00","timestamp":1772359200,"to":4294967295}',
                expected,
            )
            for rest, expected in (
                (
                    '"from":2130636288,"type":"position","payload":{"PDOP":261,"altitude":35,"ground_speed":2,'
                    '"ground_track":16512000,"latitude_i":482082000,"longitude_i":163738000,"precision_bits":32,'
                    '"sats_in_view":9,"time":1772359190}',
                    {
                        "2130636288/altitude": 35,
                        "2130636288/ground_speed": 2,
                        "2130636288/sats_in_view": 9,
                        "2130636288/position/latitude": 48.2082,
                        "2130636288/position/longitude": 16.3738,
                    },
                ),
                (
                    '"from":77,"type":"position","rssi":-101,"snr":-4.5,"payload":{"altitude":-2,'
                    '"latitude_i":-338600000,"longitude_i":1512500000,"time":1772359199}',
                    {
                        "77/altitude": -2,
                        "77/position/latitude": -33.86,
                        "77/position/longitude": 151.25,
                        "77/rssi": -101,
                        "77/snr": -4.5,
                    },
                ),
                (
                    '"from":77,"type":"waypoint","payload":{"id":1890764420,"name":"camp","expire":1772445600,'
                    '"locked_to":0,"latitude_i":10000000,"longitude_i":20000000}',
                    {"77/waypoint/latitude": 1, "77/waypoint/longitude": 2},
                ),
                (
                    '"from":78,"type":"waypoint","payload":{"id":5,"description":"x","name":"spring",'
                    '"latitude_i":-30000000,"longitude_i":40000000}',
                    {"78/waypoint/latitude": -3, "78/waypoint/longitude": 4},
                ),
                (
                    '"from":77,"type":"neighborinfo","payload":{"last_sent_by_id":77,"node_id":77,'
                    '"neighbors":[{"node_id":305419896,"snr":7},{"node_id":78,"snr":-3.5}],"neighbors_count":2,'
                    '"node_broadcast_interval_secs":900}',
                    {"77/neighbors_count": 2, "77/305419896/snr": 7, "77/78/snr": -3.5},
                ),
                (
                    '"from":78,"type":"neighborinfo","payload":{"last_sent_by_id":77,"node_id":78,'
                    '"neighbors":[{"node_id":77,"snr":-2.25}],"neighbors_count":1}',
                    {"78/neighbors_count": 1, "78/77/snr": -2.25},
                ),
                (
                    '"from":77,"type":"telemetry","payload":{"voltage_ch1":5.1,"current_ch1":3.2,"voltage_ch2":0}',
                    {"77/voltage_ch1": 5.1, "77/current_ch1": 3.2, "77/voltage_ch2": 0},
                ),
                (
                    '"from":78,"type":"telemetry","payload":{"voltage_ch1":3.3,"current_ch1":0.5}',
                    {"78/voltage_ch1": 3.3, "78/current_ch1": 0.5},
                ),
                (
                    '"from":77,"type":"paxcounter","payload":{"ble_count":4,"uptime":600,"wifi_count":7}',
                    {"77/ble_count": 4, "77/wifi_count": 7},
                ),
                (
                    '"from":77,"type":"paxcounter","payload":{"ble_count":0,"uptime":660,"wifi_count":2}',
                    {"77/ble_count": 0, "77/wifi_count": 2},
                ),
                (
                    '"from":77,"type":"nodeinfo","payload":{"hardware":10,"id":"!4d","longname":"base","role":0,'
                    '"shortname":"B"}',
                    {},
                ),
                ('"from":77,"type":"traceroute","payload":{"route":["base","far"]}', {}),
            )
        ),
    ],
    "ems-esp": [
        (
            "ems-esp/boiler_data_dhw",
            '{"seltemp":50,"curtemp":48.1,"circpump":"ON","activated":true,"nrgheat":12.75}',
            {"seltemp": 50, "curtemp": 48.1, "circpump": 1, "activated": 1},
        ),
        ("ems-esp/analogsensor_data", '{"36":{"name":"flow","value":12.5}}', {"36.value": 12.5}),
        (
            "ems-esp/analogsensor_data",
            '{"36":{"name":"flow","value":13},"39":{"name":"adc","value":880}}',
            {"36.value": 13, "39.value": 880},
        ),
        ("ems-esp/boiler/curflowtemp", "48.2", {"": 48.2}),
        ("ems-esp/boiler/heatingactive", "on", {"": 1}),
        ("ems-esp/boiler/heatingactive", "OFF", {"": 0}),
        ("ems-esp/thermostat/hc1/seltemp", "21.5", {"": 21.5}),
        ("ems-esp/thermostat/hc2/seltemp", "18", {"": 18}),
        ("ems-esp/thermostat/hc1/mode", "auto", {}),
        ("ems-esp/boiler", '{"cmd":"wwonetime","data":1}', {}),
        ("ems-esp/response", '{"message":"OK"}', {}),
        (
            "ems-esp/thermostat_data",
            '{"datetime":"10:00 01.03.2026","dampedoutdoortemp":3.1,'
            '"hc1":{"seltemp":21.5,"currtemp":20.9,"mode":"auto"}}',
            {"dampedoutdoortemp": 3.1, "hc1.seltemp": 21.5, "hc1.currtemp": 20.9},
        ),
        ("ems-esp/temperaturesensor_data", '{"28-3":{"name":"b","temp":21.1}}', {"28-3": 21.1}),
        ("ems-esp/dallassensor_data", '{"28-4":{"name":"c","temp":-127}}', {}),
        (
            "ems-esp/heartbeat",
            '{"bus_status":"connected","uptime":"000+01:00:00.000","uptime_sec":3600,"rxreceived":9,"rxfails":1,"txfails":0,"mqttfails":0,"freemem":88}',
            {"freemem": 88},
        ),
        ("ems-esp/status", "online", {"": 1}),
        ("ems-esp/status", "offline", {"": 0}),
        ("ems-esp/info", '{"event":"start","version":"3.7.0"}', {}),
    ],
    "zwave-js": [
        (
            "zwave/Hall/Meter/50/0/value/66049",
            '{"time":1772359200000,"value":12.5,"nodeName":"Meter","nodeLocation":"Hall"}',
            {"": 12.5},
        ),
        ("zwave/Hall/Lamp/37/0/currentValue", '{"time":1772359200000,"value":true}', {"": 1}),
        ("zwave/Hall/Lamp/38/0/duration", '{"time":1772359200000,"value":{"value":0,"unit":"seconds"}}', {}),
        ("zwave/Hall/Lamp/51/0/currentColor", '{"time":1772359200000,"value":{"warmWhite":255}}', {}),
        ("zwave/Hall/Lamp/lastActive", '{"time":1772359200000,"value":1772359200000}', {}),
        ("zwave/nodeID_7/lastActive", "1772359200000", {}),
        ("zwave/Hall/Lamp/38/0/targetValue/set", '{"value":99}', {}),
        ("zwave/nodeID_7/37/0/targetValue/set", "true", {}),
        ("zwave/_CLIENTS/ZWAVE_GATEWAY-x/status", '{"value":true,"time":1772359200000}', {}),
        ("zwave/Hall/Lamp/status", "true", {"": 1}),
        ("zwave/nodeID_7/status", "false", {"": 0}),
        ("zwave/Hall/Lamp/38/0/currentValue", "42", {"": 42}),
        ("zwave/nodeID_7/49/0/Air_temperature", "-3.5", {"": -3.5}),
        ("zwave/nodeID_7/37/0/currentValue", "false", {"": 0}),
        ("zwave/nodeID_7/114/0/productName", "Dimmer", {}),
        ("zwave/Hall/Lamp/37/0/currentValue", "true", {"": 1}),
        ("zwave/nodeID_7/status", '{"time":1772359200000,"value":false,"status":"Dead","nodeId":7}', {"": 0}),
        ("zwave/Hall/Lamp/114/0/productName", '{"time":1772359200000,"value":"Dimmer"}', {}),
        ("zwave/Hall/Lamp/nodeinfo", '{"id":5,"manufacturer":"x"}', {}),
    ],
    "owntracks": [
        (
            "owntracks/ann/phone",
            '{"_type":"location","BSSID":"aa:bb","acc":5,"alt":154,"batt":53,"bs":2,"cog":270,"conn":"w",'
            '"created_at":1772359202,"lat":48.2,"lon":16.37,"m":1,"p":99.1,"tid":"AN","tst":1772359200,"vac":3,"vel":0}',
            {"lat": 48.2, "lon": 16.37, "acc": 5, "alt": 154, "vel": 0, "batt": 53},
        ),
        ("owntracks/ann/phone", '{"_type":"encrypted","data":"VGhpcw=="}', {}),
        ("owntracks/ann/phone/waypoint", '{"_type":"waypoint","lat":1,"lon":2}', {}),
        ("owntracks/ann/phone", '{"_type":"lwt","tst":1772359200}', {}),
    ],
    "homeassistant-statestream": [
        ("homeassistant/sensor/power/state", "-120.5", {"": -120.5}),
        ("homeassistant/input_number/level/state", "5.0", {"": 5}),
        ("homeassistant/binary_sensor/window/state", "off", {"": 0}),
        ("homeassistant/person/ann/state", "home", {"": 1}),
        ("homeassistant/person/ann/state", "Office", {}),
        ("homeassistant/lock/door/state", "locked", {"": 1}),
        ("homeassistant/lock/shed/state", "unlocked", {"": 0}),
        ("homeassistant/cover/blind/state", "closed", {"": 0}),
        ("homeassistant/sensor/backup/state", "2026-03-01T10:00:00+00:00", {}),
        ("homeassistant/sun/sun/state", "above_horizon", {}),
        ("homeassistant/device_tracker/ann/state", "not_home", {"": 0}),
        ("homeassistant/cover/gate/state", "open", {"": 1}),
        ("homeassistant/weather/home/state", "sunny", {}),
        ("homeassistant/sensor/outdoor/state", "unavailable", {}),
    ],
}
for family, messages in FURTHER.items():
    CASES[family] += [
        (topic, payload, {f"{topic}/{name}".rstrip("/"): value for name, value in expected.items()})
        for topic, payload, expected in messages
    ]


def test_every_preset_has_messages():
    assert set(CASES) == set(presets.names())


@pytest.mark.parametrize(
    ("name", "topic", "payload", "expected"),
    [(name, *case) for name, cases in CASES.items() for case in cases],
    ids=lambda value: value if isinstance(value, str) and len(value) < 60 else "",
)
def test_messages_of_a_family_come_to_these_streams(name, topic, payload, expected):
    daemon = Daemon({"preset": name}, now=NOW + 5.0)
    daemon.feed((topic, payload))
    assert daemon.values == expected
    # what a family sends is no fault, read or not, but for the codes of sensors that are not there
    assert set(daemon.rejected) <= {"not_finite", "invalid_value", *(() if expected else ("unknown_topic",))}


# preset -> messages with a total, which is left out, and what is left
TOTALS = {
    "zigbee2mqtt": [
        ("zigbee2mqtt/plug", '{"energy":12.34,"produced_energy":1,"power":12.5}', {"power": 12.5}),
        ("zigbee2mqtt/valve", '{"water_consumed":812.5,"flow":0.4}', {"flow": 0.4}),
    ],
    "tasmota": [
        (
            "tele/plug/SENSOR",
            '{"Time":"2026-03-01T10:00:00","ENERGY":{"Total":[1.5,2.5],"Today":[0,0.1],"Power":[7,8]},"COUNTER":{"C1":5}}',
            {"ENERGY.Power.0": 7, "ENERGY.Power.1": 8},
        ),
        (
            "tele/meter/SENSOR",
            '{"Time":"2026-03-01T10:00:00","MT":{"Total_in":1.5,"Total_out":2.5,"Power_curr":7}}',
            {"MT.Power_curr": 7},
        ),
        (
            "tele/meter/SENSOR",
            '{"Time":"2026-03-01T10:00:00","ENERGY":{"ExportTariff":[1.5,2.5],"Power":7},'
            '"ANALOG":{"CTEnergy1":{"Energy":1.5,"Power":8}}}',
            {"ENERGY.Power": 7, "ANALOG.CTEnergy1.Power": 8},
        ),
        (
            "tele/lamp/STATE",
            '{"Time":"2026-03-01T10:00:00","Wifi":{"RSSI":70,"LinkCount":3}}',
            {"Wifi.RSSI": 70},
        ),
    ],
    "shelly": [
        ("shellies/plug/relay/0/energy", "171", {}),
        ("shellies/em/emeter/0/total", "33145.1", {}),
        ("shellies/em/emeter/0/total_returned", "1.5", {}),
        ("shellies/em/emeter/0/voltage", "229.5", {"": 229.5}),
        (
            "pro3em/status/emdata:0",
            '{"id":0,"a_total_act_energy":1.5,"a_total_act_ret_energy":0,"total_act":2.5,"total_act_ret":0}',
            {},
        ),
        ("plus1/status/input:2", '{"id":2,"counts":{"total":7,"xtotal":7},"freq":1.5}', {"freq": 1.5}),
        ("plus1/status/sys", '{"uptime":600,"ram_free":1000}', {"ram_free": 1000}),
    ],
    "esphome": [("desk/sensor/uptime/state", "600", {}), ("desk/sensor/total_daily_energy/state", "1.5", {})],
    "homie": [("homie/shed/$stats/uptime", "600", {})],
    "meshtastic": [
        (
            "msh/2/json/LongFast/!a1b2c3d4",
            '{"from":7,"payload":{"uptime_seconds":600,"num_packets_tx":5,"voltage":4.1},"timestamp":1772359200}',
            {"7/voltage": 4.1},
        )
    ],
    "openmqttgateway": [
        (
            "home/omg/RTL_433toMQTT",
            '{"model":"x","id":1,"rain_mm":12.5,"wind_avg_km_h":3}',
            {"x/1/wind_avg_km_h": 3},
        ),
        ("home/omg/SYStoMQTT", '{"uptime":600,"freemem":9}', {"freemem": 9}),
    ],
    "rtl_433": [
        (
            "rtl_433/pi/events",
            '{"model":"x","id":1,"rain_mm":12.5,"rain_rate_mm_h":0.5}',
            {"x//1/rain_rate_mm_h": 0.5},
        ),
        ("rtl_433/pi/devices/x/1/rain_mm", "12.5", {}),
        ("rtl_433/pi/devices/ERT-SCM/7/consumption_data", "8812", {}),
    ],
    "opendtu": [
        ("solar/116180/0/yieldtotal", "812.5", {}),
        ("solar/ac/yieldday", "1804", {}),
        ("inverter/HM600/ch0/YieldTotal", "812.5", {}),
        ("inverter/total/YieldTotal", "812.5", {}),
    ],
    "ems-esp": [
        (
            "ems-esp/boiler_data",
            '{"burnstarts":812,"burnworkmin":9000,"nrgtotal":7.5,"curflowtemp":48}',
            {"curflowtemp": 48},
        ),
        ("ems-esp/boiler_data_dhw", '{"workm":5,"curtemp":48}', {"curtemp": 48}),
        ("ems-esp/boiler_data", '{"dhw":{"workm":5,"curtemp":48}}', {"dhw.curtemp": 48}),
        ("ems-esp/boiler/burnstarts", "812", {}),
        (
            "ems-esp/heartbeat",
            '{"uptime_sec":600,"rxreceived":9,"mqttcount":5,"freemem":90}',
            {"freemem": 90},
        ),
    ],
    "zwave-js": [
        ("zwave/Hall/Plug/50/0/value/65537", '{"time":1772359200000,"value":12.5}', {}),
        ("zwave/nodeID_7/50/0/value/65537", "12.5", {}),
        ("zwave/Hall/Plug/meter/endpoint_0/value/196609", "12.5", {}),
    ],
    "victron": [
        ("N/c0ffee/grid/30/Ac/Energy/Forward", '{"value":812.5}', {}),
        ("N/c0ffee/grid/30/Ac/L1/Energy/Forward", '{"value":812.5}', {}),
        ("N/c0ffee/solarcharger/258/Yield/User", '{"value":812.5}', {}),
        ("N/c0ffee/solarcharger/258/Yield/Power", '{"value":85}', {"": 85}),
        ("N/c0ffee/battery/512/History/ChargeCycles", '{"value":7}', {}),
    ],
}


@pytest.mark.parametrize(
    ("name", "topic", "payload", "expected"),
    [(name, *case) for name, cases in TOTALS.items() for case in cases],
)
def test_totals_that_only_grow_are_left_out(name, topic, payload, expected):
    daemon = Daemon({"preset": name}, now=NOW + 5.0).feed((topic, payload))
    assert daemon.values == {f"{topic}/{field}".rstrip("/"): value for field, value in expected.items()}
    assert daemon.rejected == {}


def test_a_total_that_a_preset_leaves_out_is_followed_by_a_block_of_its_own():
    total = {"name": "energy", "topic": "tele/{device}/SENSOR", "format": "json", "field": "ENERGY.Total"}
    total |= {"time_field": "Time", "kind": "counter", "per": "1h"}
    daemon = Daemon({"preset": "tasmota"}, total, now=NOW + 7200.0)
    for time, energy in ("10:00:00", 12.0), ("10:30:00", 12.5), ("11:00:00", 0.25):
        daemon.feed(
            ("tele/plug/SENSOR", f'{{"Time":"2026-03-01T{time}","ENERGY":{{"Total":{energy},"Power":7}}}}')
        )
    assert daemon.values == {"tele/plug/SENSOR/ENERGY.Power": 7, "tele/plug/SENSOR": 0.5}


def test_a_key_of_the_block_wins_over_the_preset():
    daemon = Daemon({"preset": "zigbee2mqtt", "topic": "z2m/{device}", "beta": [0.5], "name": "zigbee"})
    daemon.feed(("z2m/hall", '{"temperature":21.5}'))
    assert daemon.values == {"z2m/hall/temperature": 21.5}
    assert {block.name for block in daemon.settings.streams} == {"zigbee", "zigbee.availability"}
    assert all(block.decays[0].beta == 0.5 for block in daemon.settings.streams)


# presets of several blocks -> those whose payloads `field` is about, and those whose values `states` is about
MEASURED = {
    "chirpstack": ({"chirpstack"}, {"chirpstack", "chirpstack.radio", "chirpstack.status"}),
    "ems-esp": ({"ems-esp.data"}, {f"ems-esp.{each}" for each in ("data", "values", "sensors", "heartbeat")}),
    "esphome": ({"esphome.light"}, {"esphome.state", "esphome.light"}),
    "homie": (set(), {"homie"}),
    "meshtastic": (
        {"meshtastic"},
        {"meshtastic", "meshtastic.position", "meshtastic.neighbors", "meshtastic.radio"},
    ),
    "opendtu": (set(), {"opendtu.channel", "opendtu.totals"}),
    "openmqttgateway": (
        {"openmqttgateway", "openmqttgateway.rf"},
        {"openmqttgateway", "openmqttgateway.rf", "openmqttgateway.gateway"},
    ),
    "rtl_433": ({"rtl_433.events"}, {"rtl_433.events", "rtl_433.devices"}),
    "shelly": (
        {"shelly.gen2", "shelly.rpc"},
        {f"shelly.{each}" for each in ("gen1", "climate", "gen2", "rpc")},
    ),
    "tasmota": (
        {"tasmota.sensor", "tasmota.zigbee", "tasmota.state"},
        {f"tasmota.{each}" for each in ("sensor", "ds18b20", "zigbee", "state")},
    ),
    "ttn": ({"ttn"}, {"ttn", "ttn.radio"}),
    "zigbee2mqtt": ({"zigbee2mqtt"}, {"zigbee2mqtt"}),
    "zwave-js": ({"zwave-js"}, {"zwave-js", "zwave-js.bare"}),
}


def blocks_of(**keys):
    return {block.name: block for block in parse({"stream": [keys]}, "test", {}).streams}


def test_each_preset_of_several_blocks_has_its_measurements_written_down():
    assert set(MEASURED) == {name for name in presets.names() if len(presets.blocks(name)) > 1}


@pytest.mark.parametrize("name", MEASURED)
def test_how_a_payload_is_read_counts_for_the_measurements_of_a_preset_alone(name):
    own, (documents, values) = blocks_of(preset=name), MEASURED[name]
    with_states = blocks_of(preset=name, states={"A": 7})
    assert {each for each in own if with_states[each] != own[each]} == values
    if not documents:
        with pytest.raises(ConfigError, match=r'field: needs format = "json" in the same block'):
            blocks_of(preset=name, field=["a", "b"])
        return
    with_field = blocks_of(preset=name, field=["a", "b"])
    assert {each for each in own if with_field[each] != own[each]} == documents
    apart = blocks_of(preset=name, field=["a", "b"], fields={"a": {"unit": "celsius"}})
    assert set(apart) == set(own) | {f"{each}.a" for each in documents}


def test_availability_is_followed_beside_fields_of_ones_own():
    fields = {"temperature": {"unit": "celsius"}, "humidity": {"unit": "percent"}}
    daemon = Daemon({"preset": "zigbee2mqtt", "field": ["temperature", "humidity"], "fields": fields})
    daemon.feed(
        ("zigbee2mqtt/kitchen/availability", '{"state":"offline"}'),
        ("zigbee2mqtt/kitchen", '{"temperature":21.4,"humidity":48.2,"battery":97}'),
    )
    assert daemon.values == {
        "zigbee2mqtt/kitchen/availability": 0.0,
        "zigbee2mqtt/kitchen/temperature": 21.4,
        "zigbee2mqtt/kitchen/humidity": 48.2,
    }
    assert not daemon.rejected


def test_a_base_topic_of_ones_own_rejects_no_switch_and_follows_availability():
    excluded = ["home/zigbee/bridge/#", "home/zigbee/+/set/#", "home/zigbee/+/get/#"]
    daemon = Daemon({"preset": "zigbee2mqtt", "topic": "home/zigbee/#", "exclude_topic": excluded})
    daemon.feed(
        ("home/zigbee/lamp", '{"state":"ON"}'),
        ("home/zigbee/lamp/availability", '{"state":"offline"}'),
        ("home/zigbee/bridge/state", '{"state":"online"}'),
    )
    assert daemon.values == {"home/zigbee/lamp/state": 1.0, "home/zigbee/lamp/availability": 0.0}
    assert not daemon.rejected


def test_a_time_zone_counts_for_the_blocks_of_a_preset_that_read_times():
    raw = {"stream": [{"preset": "tasmota", "time_zone": "Europe/Berlin"}]}
    zones = {block.name: block.time_zone for block in parse(raw, "ewad.toml", {}).streams}
    assert zones["tasmota.sensor"] == zones["tasmota.state"] == "Europe/Berlin"
    assert zones["tasmota.power"] is None


def test_a_time_zone_where_no_block_of_a_preset_reads_times_is_an_error():
    raw = {"stream": [{"preset": "victron", "time_zone": "Europe/Berlin"}]}
    with pytest.raises(ConfigError, match="time_zone"):
        parse(raw, "ewad.toml", {})


def test_an_unknown_preset_is_told_with_the_nearest():
    with pytest.raises(
        ConfigError, match=r'stream\[0\]\.preset: unknown preset "tasmotta"; did you mean "tasmota"'
    ):
        parse({"stream": [{"preset": "tasmotta"}]}, "test", {})


@pytest.mark.parametrize("name", presets.names())
def test_each_kind_of_message_is_shown_twice_or_more(name):
    shown = Counter()
    for topic, payload, _ in CASES[name]:
        daemon = Daemon({"preset": name}, now=NOW + 5.0)
        daemon.feed((topic, payload))
        pairs = zip(daemon.settings.streams, daemon.engine.groups, strict=True)
        shown.update(block.name for block, group in pairs if len(group.streams))
    assert set(shown) == {block.name for block in daemon.settings.streams}
    assert min(shown.values()) >= 2
