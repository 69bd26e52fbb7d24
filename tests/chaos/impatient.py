"""`ewad` that waits a tenth of a second at most before it connects again: a fault costs no minute."""

from ewad.cli import main
from ewad.ingest.mqtt import source as mqtt

if __name__ == "__main__":
    mqtt.FIRST_DELAY_SECONDS = mqtt.LONGEST_DELAY_SECONDS = 0.1
    main()
